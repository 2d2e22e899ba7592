// The server never reaches out: with a filter in the kernel that ends it if it tries (support/no_connect.c), it goes
// through everything that it can do.
#ifdef FATHOM_NO_CONNECT_LIBRARY
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/serve_process.h"

namespace fathom {
namespace {

const std::string kOfflineModel = FATHOM_SOURCE_DIR "/models/nano";

// Forbids itself what the library forbids, then does what `act` says; in a child process of its own. (A shell as the
// one that reaches out would not do: where CI runs, the filter ends it before its first command.)
template <typename Act>
void WithFilter(Act act) {
  if (dlopen(FATHOM_NO_CONNECT_LIBRARY, RTLD_NOW) == nullptr) _exit(1);
  act();
  _exit(7);
}

void ReachOut(const sockaddr* address, socklen_t size, int kind) {
  const int socket = ::socket(address->sa_family, kind, 0);
  connect(socket, address, size);
}

TEST(ServeOfflineDeathTest, TheFilterEndsThoseThatReachOut) {
  sockaddr_in internet = {};
  internet.sin_family = AF_INET;
  internet.sin_port = htons(1);
  internet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* const somebody = reinterpret_cast<const sockaddr*>(&internet);
  sockaddr_un local = {};
  local.sun_family = AF_UNIX;
  const auto killed = testing::KilledBySignal(SIGSYS);

  EXPECT_EXIT(WithFilter([] { close(socket(AF_INET, SOCK_STREAM, 0)); }), testing::ExitedWithCode(7), "");
  EXPECT_EXIT(WithFilter([&] { ReachOut(somebody, sizeof internet, SOCK_STREAM); }), killed, "");
  EXPECT_EXIT(WithFilter([&] { ReachOut(reinterpret_cast<const sockaddr*>(&local), sizeof local, SOCK_STREAM); }),
              killed, "");
  EXPECT_EXIT(WithFilter([] { socket(AF_INET, SOCK_DGRAM, 0); }), killed, "");
  EXPECT_EXIT(WithFilter([&] {
                const int tcp = socket(AF_INET, SOCK_STREAM, 0);
                sendto(tcp, "x", 1, MSG_NOSIGNAL, somebody, sizeof internet);
              }),
              killed, "");
}

// With what it answers to: every route that generates or reports.
struct Exchange {
  const char* method;
  const char* path;
  const char* body;
};
constexpr Exchange kExchanges[] = {
    {"GET", "/", ""},
    {"GET", "/health", ""},
    {"GET", "/ready", ""},
    {"GET", "/v1/models", ""},
    {"GET", "/props", ""},
    {"GET", "/slots", ""},
    {"GET", "/metrics", ""},
    {"GET", "/debug/engine", ""},
    {"GET", "/debug/config", ""},
    {"POST", "/tokenize", R"({"content":"Hello"})"},
    {"POST", "/v1/chat/completions", R"({"messages":[{"role":"user","content":"Hello!"}],"max_tokens":200})"},
    {"POST", "/v1/chat/completions",
     R"({"messages":[{"role":"user","content":"What is 3 * 4?"}],"max_tokens":60,"stream":true,"n":2,"logprobs":true,
         "top_logprobs":3,"user":"somebody","tools":[{"type":"function","function":{"name":"calculator","parameters":
         {"type":"object","properties":{"expression":{"type":"string"}},"required":["expression"]}}}],
         "tool_choice":"required"})"},
    {"POST", "/v1/chat/completions",
     R"({"messages":[{"role":"user","content":"An image: https://example.com/a.png, see http://127.0.0.1:1/"}],
         "max_tokens":20,"response_format":{"type":"json_object"}})"},
    {"POST", "/v1/completions", R"({"prompt":"Once upon a time","max_tokens":10,"logprobs":2,"echo":true})"},
    {"POST", "/v1/responses", R"({"input":"Hello","max_output_tokens":20,"stream":true})"},
    {"POST", "/v1/messages",
     R"({"model":"nano","max_tokens":20,"system":"Be short.","messages":[{"role":"user","content":"Hello"}]})"},
    {"POST", "/v1/messages/count_tokens", R"({"model":"nano","messages":[{"role":"user","content":"Hello"}]})"},
    {"GET", "/debug/cache", ""},
};

TEST(ServeOffline, ASessionWithEverythingReachesNobody) {
  const TemporaryDirectory directory;
  const std::string keys = directory / "keys.json";
  const RunResult made =
      RunFathom({"serve", "keys", "--keys", keys, "add", "all", "--scope", "inference,metrics,admin"});
  ASSERT_EQ(made.exit_code, 0) << made;
  const std::vector<std::string> key = {"Authorization: Bearer " + made.out.substr(0, made.out.find('\n'))};
  // Twice: the second finds what the first has left on disk.
  for (int run = 0; run < 2; ++run) {
    ServeProcess server({"--model", kOfflineModel, "--keys", keys, "--audit-log", directory / "audit", "--audit-text",
                         "--cache-dir", directory / "cache", "--host", "localhost", "--cors", "https://a.example",
                         "--normalise-prompts", "first-user"},
                        {{"LD_PRELOAD", FATHOM_NO_CONNECT_LIBRARY}});
    for (const Exchange& exchange : kExchanges) {
      const ClientResponse answer = Ask(server.port(), exchange.method, exchange.path, key, exchange.body);
      EXPECT_EQ(answer.status, 200) << exchange.path << " " << answer << server.log();
    }
    EXPECT_EQ(Ask(server.port(), "POST", "/v1/chat/completions", {}, "{}").status, 401);
    EXPECT_EQ(Ask(server.port(), "POST", "/v1/chat/completions", key, "{").status, 400);
    server.Signal(SIGHUP);
    EXPECT_TRUE(server.WaitForLog("read the keys again")) << server.log();
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait(), 0) << server.log();
  }
  EXPECT_FALSE(std::filesystem::is_empty(directory / "cache"));
}

}  // namespace
}  // namespace fathom
#endif
