// tokenize.h - `fathom tokenize`: text to token ids and back.
#ifndef FATHOM_APPS_TOKENIZE_H_
#define FATHOM_APPS_TOKENIZE_H_

namespace fathom {

int TokenizeMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_TOKENIZE_H_
