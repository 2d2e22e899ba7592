// run.h - `fathom run`: one prompt, one answer.
#ifndef FATHOM_APPS_RUN_H_
#define FATHOM_APPS_RUN_H_

namespace fathom {

int RunMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_RUN_H_
