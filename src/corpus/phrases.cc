#include "corpus/phrases.h"

#include <algorithm>
#include <span>

#include "base/utf8.h"

namespace fathom {
namespace {

constexpr std::string_view kLatinNames =
    "Anna|Ben|Clara|David|Emma|Felix|Greta|Hugo|Ida|Jonas|Karla|Leo|Mira|Noah|Olga|Paul|Quinn|Rosa|Sam|Tina|Uma|Victor|"
    "Wanda|Xenia|Yusuf|Zoe|Alice|Bruno|Carlos|Diana|Elena|Frank|Gloria|Henry|Irene|Jack|Kate|Lucas|Maria|Nina|Oscar|"
    "Petra|Rita|Simon|Theo|Vera|Walter|Amir|Bella|Chloe|Diego|Eva|Finn|Grace|Hanna|Ivan|Julia|Kevin|Laura|Marco|Nora|"
    "Omar|Pablo|Rachel|Sofia|Tom|Ursula|Lena|Peter|Lisa|Max|Marie|Pierre|Louis|Camille|Luis|Carmen|Jorge|Lucia|Pedro|"
    "Ali|Sara|Erik|Ingrid|Lars|Astrid|Mila|Adam|Ella|Oliver|Ruby|Jamie|Robin|Alex|Daniel|Sophie|Martin|Helen|George|"
    "Amy";
constexpr std::string_view kChineseNames =
    "小明|小红|小华|小丽|小刚|李雷|韩梅|王芳|张伟|李娜|刘洋|陈静|杨帆|赵磊|黄敏|周杰|吴倩|徐强|孙悦|马超|朱琳|胡军|"
    "郭靖|林悦|何平|高飞|梁音|郑爽|罗兰|宋佳|唐宁|许晴|邓超|冯远|曹颖|彭博|曾黎|萧然|田雨|董洁";
constexpr std::string_view kJapaneseNames =
    "田中|佐藤|鈴木|高橋|伊藤|渡辺|山本|中村|小林|加藤|吉田|山田|佐々木|山口|松本|井上|木村|林|斎藤|清水|"
    "太郎|花子|健太|美咲|翔太|さくら|大輔|陽子|拓也|由美|直樹|愛|誠|恵子|浩二|真理|葵|蓮|結衣|陽菜";
constexpr ByLanguage kCities = {
    "Oslo|Rome|Paris|London|Berlin|Madrid|Lima|Cairo|Tokyo|Boston|Vienna|Prague|Dublin|Athens|Lisbon|Sydney|Toronto|"
    "Chicago|Delhi|Seoul|Moscow|Zurich|Geneva|Milan|Naples|Porto|Quito|Nairobi|Warsaw|Helsinki",
    "北京|上海|广州|深圳|杭州|南京|成都|武汉|西安|重庆|天津|苏州|青岛|大连|厦门|巴黎|伦敦|东京|柏林|罗马|纽约|莫斯科|"
    "首尔|曼谷|开罗",
    "Berlin|Hamburg|München|Köln|Wien|Zürich|Bern|Dresden|Leipzig|Bremen|Rom|Paris|London|Madrid|Oslo|Prag|Graz|Basel|"
    "Stuttgart|Bonn|Mailand|Lissabon|Athen|Warschau|Kiel",
    "Paris|Lyon|Marseille|Nice|Lille|Nantes|Toulouse|Bordeaux|Rome|Londres|Berlin|Madrid|Genève|Bruxelles|Lisbonne|"
    "Montréal|Rennes|Dijon|Oslo|Prague|Athènes|Tokyo|Dakar|Tunis|Québec",
    "Madrid|Barcelona|Sevilla|Valencia|Lima|Bogotá|Quito|Santiago|Roma|París|Londres|Berlín|Lisboa|Bilbao|Granada|"
    "Málaga|Caracas|Montevideo|La Paz|Oslo|Praga|Atenas|Tokio|Toledo|Córdoba",
    "東京|大阪|京都|名古屋|札幌|福岡|神戸|横浜|広島|仙台|奈良|金沢|長崎|沖縄|パリ|ロンドン|ベルリン|ローマ|北京|上海|"
    "ニューヨーク|ソウル|マドリード|オスロ|カイロ",
};
constexpr ByLanguage kPlainSystemPrompts = {
    "You are a helpful assistant.|You are Nano, a helpful assistant.|Be brief.|You are a friendly assistant.|"
    "Answer briefly and correctly.|Help the user.",
    "你是一个乐于助人的助手。|你是Nano，一个有用的助手。|请简短回答。|请准确地回答问题。",
    "Du bist ein hilfreicher Assistent.|Du bist Nano, ein hilfreicher Assistent.|Antworte kurz.|"
    "Antworte kurz und richtig.",
    "Tu es un assistant utile.|Tu es Nano, un assistant utile.|Réponds brièvement.|Tu es un assistant aimable.",
    "Eres un asistente útil.|Eres Nano, un asistente útil.|Responde brevemente.|Eres un asistente amable.",
    "あなたは親切なアシスタントです。|あなたはNano、役に立つアシスタントです。|短く答えてください。|"
    "正確に答えてください。",
};

bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The marks that end or part sentences, as characters of the text.
bool IsMark(char32_t c) { return std::u32string_view(U" .,!?;:'\"¿¡。，！？、…").find(c) != std::u32string_view::npos; }

// One letter doubled, dropped or swapped inside a word of at least five ASCII letters.
void Slip(CorpusRandom& random, std::string* text) {
  std::vector<std::pair<size_t, size_t>> words;
  for (size_t at = 0; at < text->size();) {
    size_t end = at;
    while (end < text->size() && IsAsciiLetter((*text)[end])) ++end;
    if (end - at >= 5) words.emplace_back(at, end - at);
    at = end + 1;
  }
  if (words.empty()) return;
  const auto [start, length] = random.Pick(words);
  const size_t at = start + 1 + random.Below(length - 2);
  switch (random.Below(3)) {
    case 0:
      text->insert(at, 1, (*text)[at]);
      break;
    case 1:
      text->erase(at, 1);
      break;
    default:
      std::swap((*text)[at], (*text)[at - 1 > start ? at - 1 : at + 1]);
  }
}

}  // namespace

Language PickLanguage(CorpusRandom& random) {
  constexpr std::array<uint64_t, kLanguages> kShares = {45, 12, 12, 11, 10, 10};
  uint64_t at = random.Below(100);
  for (size_t language = 0; language < kLanguages; ++language) {
    if (at < kShares[language]) return static_cast<Language>(language);
    at -= kShares[language];
  }
  return Language::kEn;
}

std::string_view LanguageCode(Language language) {
  constexpr ByLanguage kCodes = {"en", "zh", "de", "fr", "es", "ja"};
  return In(kCodes, language);
}

bool IsCjk(Language language) { return language == Language::kZh || language == Language::kJa; }

std::vector<std::string_view> Alternatives(std::string_view joined) {
  std::vector<std::string_view> pieces;
  for (size_t start = 0; start <= joined.size();) {
    const size_t end = std::min(joined.find('|', start), joined.size());
    pieces.push_back(joined.substr(start, end - start));
    start = end + 1;
  }
  return pieces;
}

std::string Alternative(CorpusRandom& random, std::string_view joined) {
  return std::string(random.Pick(Alternatives(joined)));
}

std::string Fill(std::string_view pattern, std::initializer_list<Slot> slots) {
  std::string out;
  for (size_t at = 0; at < pattern.size();) {
    const size_t close = pattern[at] == '{' ? pattern.find('}', at) : std::string_view::npos;
    const Slot* found = nullptr;
    if (close != std::string_view::npos) {
      for (const Slot& slot : slots) {
        if (slot.name == pattern.substr(at + 1, close - at - 1)) found = &slot;
      }
    }
    if (found) {
      out += found->value;
      at = close + 1;
    } else {
      out += pattern[at++];
    }
  }
  return out;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string Upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::string AsTyped(CorpusRandom& random, Language language, std::string text) {
  if (!IsCjk(language)) {
    if (random.Chance(0.05)) Slip(random, &text);
    if (random.Chance(0.25)) text = Lower(text);
  }
  if (random.Chance(0.25)) {
    for (const std::string_view mark : {".", "!", "?", "。", "！", "？"}) {
      if (text.ends_with(mark)) {
        text.erase(text.size() - mark.size());
        while (text.ends_with(' ')) text.pop_back();
        break;
      }
    }
  }
  return text;
}

std::string Plain(std::string_view text) {
  std::string out;
  bool pending_space = false;
  while (!text.empty()) {
    const Utf8Char next = ReadUtf8(text);
    if (IsMark(next.code_point)) {
      pending_space = !out.empty();
    } else {
      if (pending_space) out += ' ';
      pending_space = false;
      out += Lower(text.substr(0, next.size));
    }
    text.remove_prefix(next.size);
  }
  return out;
}

std::string MadeUpName(CorpusRandom& random) {
  constexpr std::string_view kStarts = "Bel|Dor|Fen|Gar|Hal|Jor|Kel|Lum|Mar|Nev|Or|Pel|Ral|Sol|Tam|Ul|Vel|Wil|Yar|Zan";
  constexpr std::string_view kMiddles = "|a|e|i|o|u|da|ri|lo|mi";
  constexpr std::string_view kEnds = "n|ra|vin|to|ka|dor|lis|mo|sa|rik|ta|na";
  std::string name = Alternative(random, kStarts);
  name += Alternative(random, kMiddles);
  name += Alternative(random, kEnds);
  return name;
}

std::string PersonName(CorpusRandom& random, Language language) {
  if (language == Language::kZh) return Alternative(random, kChineseNames);
  if (language == Language::kJa) return Alternative(random, kJapaneseNames);
  return random.Chance(0.25) ? MadeUpName(random) : Alternative(random, kLatinNames);
}

std::string CityName(CorpusRandom& random, Language language) { return Alternative(random, In(kCities, language)); }

std::string Digits(CorpusRandom& random, int count) {
  std::string digits;
  for (int digit = 0; digit < count; ++digit) digits += static_cast<char>('0' + random.Below(10));
  return digits;
}

Dialogue QuestionAndAnswer(Language language, std::string question, std::string answer) {
  Dialogue dialogue;
  dialogue.language = LanguageCode(language);
  dialogue.messages.push_back(UserMessage(std::move(question)));
  dialogue.messages.push_back(AssistantMessage(std::move(answer)));
  return dialogue;
}

void MaybeThink(CorpusRandom& random, double probability, std::string thought, Dialogue* dialogue) {
  if (!random.Chance(probability)) return;
  dialogue->mode = ThinkingMode::kThinking;
  dialogue->messages.back().reasoning_content = std::move(thought);
  if (random.Chance(0.02)) dialogue->effort = random.Chance(0.5) ? "max" : "high";
}

void MaybeSystem(CorpusRandom& random, double probability, Language language, Dialogue* dialogue) {
  if (!random.Chance(probability)) return;
  dialogue->messages.insert(dialogue->messages.begin(),
                            SystemMessage(Alternative(random, In(kPlainSystemPrompts, language))));
}

}  // namespace fathom
