// chat.h - `fathom chat`: a conversation in the terminal.
#ifndef FATHOM_APPS_CHAT_H_
#define FATHOM_APPS_CHAT_H_

namespace fathom {

int ChatMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_CHAT_H_
