// synth.h - `fathom synth`: writes a made-up checkpoint of true shapes.
#ifndef FATHOM_APPS_SYNTH_H_
#define FATHOM_APPS_SYNTH_H_

namespace fathom {

int SynthMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_SYNTH_H_
