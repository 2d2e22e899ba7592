// bench.h - `fathom bench`: how fast a model reads prompts and generates on this machine, and how near that is to the
// roof.
#ifndef FATHOM_APPS_BENCH_H_
#define FATHOM_APPS_BENCH_H_

namespace fathom {

int BenchMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_H_
