// eval.h - `fathom eval`: how many held-out questions a model answers right, by subject and language.
#ifndef FATHOM_APPS_EVAL_H_
#define FATHOM_APPS_EVAL_H_

namespace fathom {

int EvalMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_EVAL_H_
