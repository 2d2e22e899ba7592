// serve.h - fathom serve
#ifndef FATHOM_APPS_SERVE_H_
#define FATHOM_APPS_SERVE_H_

namespace fathom {

int ServeMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_SERVE_H_
