// signal_stack.h - signals in a process that multiplies with oneDNN.
//
// Kernels of oneDNN for floats (dnnl_sgemm of version 2.6; mended in 3.11) let the stack pointer point into a buffer on
// the heap while they run. A handler that is called then has its frame below that, over whatever lies before the
// buffer.
#ifndef FATHOM_TRAIN_TORCH_SIGNAL_STACK_H_
#define FATHOM_TRAIN_TORCH_SIGNAL_STACK_H_

namespace fathom {

// From now on the calling thread takes signals on a stack of its own, for handlers installed with SA_ONSTACK
// (base/signals.h), and the other threads of OpenMP leave SIGINT, SIGTERM and SIGHUP to it. Call when the number of
// threads is set and before the first product; once.
void TakeSignalsAside();

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_SIGNAL_STACK_H_
