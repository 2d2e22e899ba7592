// inspect.h - `fathom inspect`: what a checkpoint is, costs and needs, and whether its data is sound.
#ifndef FATHOM_APPS_INSPECT_H_
#define FATHOM_APPS_INSPECT_H_

namespace fathom {

int InspectMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_INSPECT_H_
