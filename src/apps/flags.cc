#include "apps/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "base/file.h"
#include "base/strings.h"
#include "base/term.h"

namespace fathom {
namespace {

constexpr size_t kShownValueBytes = 40;

// Options whose empty text says something: a prompt, a system prompt, a stop string, a text to cut into tokens.
bool MayBeEmpty(const CLI::Option& option) {
  constexpr std::string_view kTexts[] = {"--prompt", "--system", "--stop", "TEXT"};
  return std::ranges::find(kTexts, option.get_name()) != std::end(kTexts);
}

// Thrown as a ConversionError: to a ValidationError's text CLI11 adds the name once more.
void CheckValue(CLI::Option* option) {
  if (option->get_items_expected_max() > 0) {
    if (MayBeEmpty(*option)) return;
    option->transform([option](const std::string& text) {  // before all checks, and it changes nothing
      if (text.empty()) throw CLI::ConversionError(StrCat(option->get_name(), " is empty; it needs a value"));
      return text;
    });
    return;
  }
  option->check([option](const std::string& text) {
    constexpr std::string_view kSwitch[] = {"true", "false", "on", "off", "yes", "no", "1", "0"};
    if (std::ranges::find(kSwitch, text) != std::end(kSwitch)) return std::string();
    throw CLI::ConversionError(
        StrCat(option->get_name(), " is '", Printable(text, kShownValueBytes), "'; accepted is true or false"));
  });
}

void CheckValues(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) CheckValue(option);
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) CheckValues(*command);
}

// Without the "{false}" that CLI11 writes behind --no-stream and its like.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    constexpr std::string_view kInternal = "{false}";
    std::string names = CLI::Formatter::make_option_name(option, is_positional);
    for (size_t at = 0; (at = names.find(kInternal, at)) != std::string::npos;) names.erase(at, kInternal.size());
    return names;
  }
};

// Whether `text` is a whole number from `least` to `most`.
bool IsWhole(std::string_view text, int64_t least, uint64_t most) {
  const auto parses = [&](auto* number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
    return error == std::errc() && end == text.data() + text.size();
  };
  const bool sign = text.starts_with('-');
  if (text.size() > 1 && text[sign ? 1 : 0] == '0') return false;
  int64_t negative = 0;
  uint64_t number = 0;
  if (sign) return parses(&negative) && negative >= least;
  return parses(&number) && number <= most && (least <= 0 || number >= static_cast<uint64_t>(least));
}

// Whether the paths lead to one file that is replaced when it is written: what is written into (a pipe, a terminal,
// /dev/null) may take several results.
bool AreOneFile(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return false;
  std::error_code error;
  if (std::filesystem::exists(a, error) && !std::filesystem::is_regular_file(a, error)) return false;
  if (std::filesystem::equivalent(a, b, error)) return true;
  const std::filesystem::path whole_a = std::filesystem::weakly_canonical(a, error);
  if (error) return a == b;
  const std::filesystem::path whole_b = std::filesystem::weakly_canonical(b, error);
  return error ? a == b : whole_a == whole_b;
}

}  // namespace

void AcceptWhole(CLI::Option* option, int64_t least, uint64_t most) {
  option->check([=](const std::string& text) {
    if (IsWhole(text, least, most)) return std::string();
    const bool open = most == static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    throw CLI::ConversionError(StrCat(option->get_name(), " is '", Printable(text, kShownValueBytes),
                                      "'; accepted is a whole number, ", least,
                                      open ? std::string(" or more") : StrCat(" to ", most)));
  });
}

void AcceptNumber(CLI::Option* option, double least, double most) {
  option->check([=](const std::string& text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    // A NaN is not in the range.
    const bool good = error == std::errc() && end == text.data() + text.size() && number >= least && number <= most;
    if (good) return std::string();
    throw CLI::ConversionError(StrCat(option->get_name(), " is '", Printable(text, kShownValueBytes),
                                      StrFormat("'; accepted is a number, %g to %g", least, most)));
  });
}

std::optional<int> ParseFlags(CLI::App& app, int argc, char** argv) {
  CheckValues(app);
  app.formatter(std::make_shared<HelpFormatter>());
  const auto refuse = [&](std::string_view why) {
    WriteStderr(StrCat(app.get_name(), ": ", why, "; `", app.get_name(), " --help` explains the options.\n"));
    return 2;
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::string help = app.help();
    if (!help.ends_with('\n')) help += '\n';
    std::fwrite(help.data(), 1, help.size(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  } catch (const std::out_of_range&) {  // of CLI11's std::stoll: --no-mmap=99999999999999999999
    return refuse("the value of a switch is no number that fits; accepted is true or false");
  }
  return std::nullopt;
}

Status WithFlag(const Status& status, std::string_view field, std::string flag) {
  std::string_view rest = status.message();
  if (status.ok() || !rest.starts_with(field)) return status;
  rest.remove_prefix(field.size());
  if (!rest.starts_with(' ') && !rest.starts_with('[')) return status;  // another field
  if (flag.empty()) {
    flag = StrCat("--", field);
    std::ranges::replace(flag, '_', '-');
  }
  return {status.code(), StrCat(flag, rest)};
}

int Fail(const Status& status) {
  WriteStderr(StrCat("fathom: ", status.message(), "\n"));
  return status.exit_code();
}

Status CheckOutputFiles(const std::vector<OutputFlag>& files) {
  for (const OutputFlag& file : files) {
    if (!file.path.empty()) FATHOM_RETURN_IF_ERROR(CheckOutputFile(file.path));
  }
  for (size_t at = 0; at < files.size(); ++at) {
    for (size_t before = 0; before < at; ++before) {
      if (!AreOneFile(files[before].path, files[at].path)) continue;
      return InvalidArgument(StrCat(files[before].flag, " and ", files[at].flag, " are both '",
                                    Printable(files[at].path), "'; each needs a file of its own"));
    }
  }
  return {};
}

Status FlushStdout() {
  const bool flushed = std::fflush(stdout) == 0;
  const std::string reason = flushed ? "an earlier part is lost" : std::strerror(errno);
  if (flushed && std::ferror(stdout) == 0) return {};
  return IoError(StrCat("cannot write standard output: ", reason));
}

Result<std::string> ReadStdin(size_t max_bytes) {
  std::string text;
  char buffer[65536];
  while (true) {
    const size_t size = std::fread(buffer, 1, sizeof buffer, stdin);
    text.append(buffer, size);
    if (text.size() > max_bytes) {
      return InvalidArgument(StrCat("standard input is longer than ", max_bytes, " bytes, the most that is accepted"));
    }
    if (size < sizeof buffer) break;  // not asked again: a terminal would want a second Ctrl-D
  }
  if (std::ferror(stdin) != 0) return IoError(StrCat("cannot read standard input: ", std::strerror(errno)));
  return text;
}

}  // namespace fathom
