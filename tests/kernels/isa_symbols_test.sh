#!/bin/sh
# Object files of one instruction set must not define shared inline functions: the linker keeps one copy for the whole
# program, and it could be the one that only this processor runs. Weak symbols are allowed in the set's own namespace.
#   isa_symbols_test.sh NM OBJECT...
nm=$1
shift
checked=0
leaks=0
for object; do
  case $object in
    */avx2/*) isa=avx2 ;;
    */avx512/*) isa=avx512 ;;
    */neon/*) isa=neon ;;
    *) continue ;;
  esac
  checked=$((checked + 1))
  # DW.ref: a pointer that sanitizer builds share, not code.
  found=$("$nm" -C --defined-only "$object" | grep -E ' [WVu] ' | grep -v -e "fathom::$isa::" -e DW.ref)
  if [ -n "$found" ]; then
    echo "$object defines shared symbols:"
    echo "$found"
    leaks=1
  fi
done
if [ $checked -eq 0 ]; then
  echo "no object file of an instruction set among the arguments"
  exit 1
fi
exit $leaks
