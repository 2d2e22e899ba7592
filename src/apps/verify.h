// verify.h - `fathom verify golden|tokenizer|encoding`: runs published reference data against this program.
//
// Each prints a table and a verdict. Exit code 0: everything agrees; 1: something doesn't; 2: a file is bad.
#ifndef FATHOM_APPS_VERIFY_H_
#define FATHOM_APPS_VERIFY_H_

namespace fathom {

int VerifyMain(int argc, char** argv);  // picks one of those below by its name in argv[1]
int VerifyGoldenMain(int argc, char** argv);
int VerifyTokenizerMain(int argc, char** argv);
int VerifyEncodingMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_VERIFY_H_
