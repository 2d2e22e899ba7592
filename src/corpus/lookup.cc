// Facts planted in a text and asked at its end. Codes are random and names many: the answer has to be read.
#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "corpus/lookup_filler.h"
#include "corpus/phrases.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

enum class Slots : uint8_t { kBoxCode, kHome, kRoom, kPhone, kPet, kPrice, kPlace, kBirthday };

// Sentences about a key {k} and a value {v}. The answer repeats the sentence.
struct FactKind {
  Slots slots;
  ByLanguage told;
  ByLanguage asked;
};

constexpr FactKind kKinds[] = {
    {Slots::kBoxCode,
     {"The code of the {k} is {v}.", "{k}的密码是{v}。", "Der Code von {k} ist {v}.", "Le code de {k} est {v}.",
      "El código de {k} es {v}.", "{k}の暗証番号は{v}です。"},
     {"What is the code of the {k}?|Which code does the {k} have?|Code of the {k}?|Tell me the code of the {k}.",
      "{k}的密码是多少？|{k}的密码是什么？", "Was ist der Code von {k}?|Welchen Code hat {k}?",
      "Quel est le code de {k} ?|Donne-moi le code de {k}.", "¿Cuál es el código de {k}?|¿Qué código tiene {k}?",
      "{k}の暗証番号は何ですか？|{k}の暗証番号は？"}},
    {Slots::kHome,
     {"{k} lives in {v}.", "{k}住在{v}。", "{k} wohnt in {v}.", "{k} habite à {v}.", "{k} vive en {v}.",
      "{k}さんは{v}に住んでいます。"},
     {"Where does {k} live?|In which city does {k} live?|Which city does {k} live in?",
      "{k}住在哪里？|{k}住在哪个城市？", "Wo wohnt {k}?|In welcher Stadt wohnt {k}?",
      "Où habite {k} ?|Dans quelle ville habite {k} ?", "¿Dónde vive {k}?|¿En qué ciudad vive {k}?",
      "{k}さんはどこに住んでいますか？|{k}さんの住んでいる町は？"}},
    {Slots::kRoom,
     {"Room {k}: {v}", "{k}号房间：{v}", "Zimmer {k}: {v}", "Chambre {k} : {v}", "Habitación {k}: {v}", "{k}号室：{v}"},
     {"Who is in room {k}?|Who has room {k}?|Which guest is in room {k}?", "{k}号房间住的是谁？|谁在{k}号房间？",
      "Wer ist in Zimmer {k}?|Wer hat Zimmer {k}?", "Qui est dans la chambre {k} ?|Qui a la chambre {k} ?",
      "¿Quién está en la habitación {k}?|¿Quién tiene la habitación {k}?",
      "{k}号室は誰ですか？|{k}号室にいるのは誰ですか？"}},
    {Slots::kPhone,
     {"The number of {k} is {v}.", "{k}的电话是{v}。", "Die Nummer von {k} ist {v}.", "Le numéro de {k} est {v}.",
      "El número de {k} es {v}.", "{k}さんの電話番号は{v}です。"},
     {"What is the number of {k}?|Which number does {k} have?|What is {k}'s number?",
      "{k}的电话是多少？|{k}的电话号码是什么？", "Was ist die Nummer von {k}?|Welche Nummer hat {k}?",
      "Quel est le numéro de {k} ?|Donne-moi le numéro de {k}.", "¿Cuál es el número de {k}?|¿Qué número tiene {k}?",
      "{k}さんの電話番号は何ですか？|{k}さんの電話番号は？"}},
    {Slots::kPet,
     {"{k} has a {v}.", "{k}养了一只{v}。", "Das Tier von {k}: {v}.", "L'animal de {k} : {v}.",
      "El animal de {k}: {v}.", "{k}さんは{v}を飼っています。"},
     {"Which animal does {k} have?|What pet does {k} have?|What animal does {k} keep?",
      "{k}养了什么动物？|{k}养了什么？", "Welches Tier hat {k}?|Was für ein Tier hat {k}?",
      "Quel animal a {k} ?|Quel est l'animal de {k} ?", "¿Qué animal tiene {k}?|¿Cuál es el animal de {k}?",
      "{k}さんは何を飼っていますか？|{k}さんの飼っている動物は？"}},
    {Slots::kPrice,
     {"The {k} costs {v} dollars.", "{k}的价格是{v}元。", "Preis für {k}: {v} Euro.", "Prix pour {k} : {v} euros.",
      "Precio de {k}: {v} euros.", "{k}の値段は{v}円です。"},
     {"How much does the {k} cost?|What does the {k} cost?|What is the price of the {k}?",
      "{k}的价格是多少？|{k}多少钱？", "Wie viel kostet {k}?|Was ist der Preis für {k}?",
      "Combien coûte {k} ?|Quel est le prix pour {k} ?", "¿Cuánto cuesta {k}?|¿Cuál es el precio de {k}?",
      "{k}の値段はいくらですか？|{k}はいくらですか？"}},
    {Slots::kPlace,
     {"The {k} is in the {v}.", "{k}在{v}里。", "Ort von {k}: {v}.", "Lieu de {k} : {v}.", "Lugar de {k}: {v}.",
      "{k}は{v}にあります。"},
     {"Where is the {k}?|In which place is the {k}?|Where can I find the {k}?", "{k}在哪里？|我在哪里可以找到{k}？",
      "Wo ist {k}?|Wo finde ich {k}?", "Où est {k} ?|Où trouver {k} ?", "¿Dónde está {k}?|¿Dónde encuentro {k}?",
      "{k}はどこにありますか？|{k}はどこですか？"}},
    {Slots::kBirthday,
     {"{k} was born in {v}.", "{k}出生于{v}年。", "{k} wurde {v} geboren.", "{k} est de {v}.", "{k} nació en {v}.",
      "{k}さんは{v}年に生まれました。"},
     {"When was {k} born?|In which year was {k} born?|What is {k}'s year of birth?",
      "{k}是哪年出生的？|{k}出生于哪年？", "Wann wurde {k} geboren?|In welchem Jahr wurde {k} geboren?",
      "De quelle année est {k} ?|En quelle année est né {k} ?", "¿Cuándo nació {k}?|¿En qué año nació {k}?",
      "{k}さんは何年に生まれましたか？|{k}さんの生まれた年は？"}},
};

constexpr std::string_view kColors =
    "red|blue|green|black|white|yellow|brown|pink|old|new|small|big|round|heavy|gold|gray";
constexpr std::string_view kThings =
    "box|door|bag|case|safe|car|bike|desk|gate|chest|book|lamp|chair|phone|ring|key|cup|coat|map|drum";
constexpr ByLanguage kAnimals = {
    "dog|cat|horse|bird|fish|rabbit|snake|mouse|goat|duck|parrot|turtle|hamster|pony|lizard|frog",
    "狗|猫|兔子|鸟|乌龟|仓鼠|鹦鹉|鸭子|羊|蛇|青蛙|刺猬",
    "Hund|Katze|Pferd|Vogel|Fisch|Hase|Schlange|Maus|Ziege|Ente|Papagei|Hamster",
    "chien|chat|cheval|oiseau|poisson|lapin|serpent|souris|chèvre|canard|perroquet|hamster",
    "perro|gato|caballo|pájaro|pez|conejo|serpiente|ratón|cabra|pato|loro|hámster",
    "犬|猫|馬|鳥|うさぎ|へび|ねずみ|あひる|かめ|ハムスター|金魚|かえる",
};
constexpr ByLanguage kPlaces = {
    "kitchen|garden|garage|office|cellar|drawer|hall|library|attic|bathroom|car|school|shop|tower|barn|museum",
    "厨房|花园|车库|办公室|地下室|抽屉|大厅|图书馆|阁楼|学校|商店|博物馆",
    "Küche|Garten|Garage|Büro|Keller|Schublade|Halle|Bibliothek|Dachboden|Schule|Laden|Museum",
    "cuisine|jardin|garage|bureau|cave|tiroir|salle|bibliothèque|grenier|école|magasin|musée",
    "cocina|jardín|garaje|oficina|sótano|cajón|sala|biblioteca|desván|escuela|tienda|museo",
    "台所|庭|車庫|事務所|地下室|引き出し|玄関|図書館|屋根裏|学校|店|博物館",
};
constexpr ByLanguage kNumbered = {"box|door|locker|item", "箱子|柜子|门",         "Kiste|Schrank|Tor",
                                  "caisse|porte|boîte",   "caja|puerta|taquilla", "箱|ロッカー|ドア"};

// "red box" in English, "Kiste A7" elsewhere (adjectives would have to be inflected) and now and then in English.
std::string ThingName(CorpusRandom& random, Language language) {
  if (language == Language::kEn && random.Chance(0.8)) {
    const std::string color = Alternative(random, kColors);
    return StrCat(color, " ", Alternative(random, kThings));
  }
  const std::string thing = Alternative(random, In(kNumbered, language));
  const char letter = static_cast<char>('A' + random.Below(26));
  return StrCat(thing, IsCjk(language) ? "" : " ", letter, random.Below(10));
}

struct Fact {
  std::string key;
  std::string value;
};

Fact DrawFact(CorpusRandom& random, const FactKind& kind, Language language) {
  switch (kind.slots) {
    case Slots::kBoxCode:
      return {ThingName(random, language), Digits(random, 4)};
    case Slots::kHome:
      return {PersonName(random, language), CityName(random, language)};
    case Slots::kRoom:
      return {StrCat(random.Between(1, 99)), PersonName(random, language)};
    case Slots::kPhone:
      return {PersonName(random, language), Digits(random, static_cast<int>(random.Between(3, 6)))};
    case Slots::kPet:
      return {PersonName(random, language), Alternative(random, In(kAnimals, language))};
    case Slots::kPrice:
      return {ThingName(random, language), StrCat(random.Between(2, 99))};
    case Slots::kPlace:
      return {ThingName(random, language), Alternative(random, In(kPlaces, language))};
    case Slots::kBirthday:
      return {PersonName(random, language), StrCat(random.Between(1920, 2015))};
  }
  return {};
}

std::string Sentence(const FactKind& kind, const Fact& fact, Language language) {
  return Fill(In(kind.told, language), {{"k", fact.key}, {"v", fact.value}});
}

// A fact of the same kind about something else than `asked`; its key may share a word with it.
Fact DrawOther(CorpusRandom& random, const FactKind& kind, Language language, const Fact& asked) {
  while (true) {
    Fact other = DrawFact(random, kind, language);
    if (other.key != asked.key) return other;
  }
}

// The sentences one after the other, a space or nothing between them and in `lines` of cases a line break, which what
// has no full stop ("Room 12: Anna") always has behind it.
std::string Joined(CorpusRandom& random, std::span<const std::string> sentences, Language language, double lines) {
  const std::string_view space = IsCjk(language) ? "" : " ";
  std::string text;
  for (const std::string& sentence : sentences) {
    if (!text.empty()) {
      const bool is_closed = text.ends_with('.') || text.ends_with("。");
      text += !is_closed || random.Chance(lines) ? "\n" : space;
    }
    text += sentence;
  }
  return text;
}

// "blue box" beside "red box", "A8" beside "A7": the same words up to one.
Fact DrawSimilar(CorpusRandom& random, const FactKind& kind, Language language, const Fact& asked) {
  Fact best = DrawOther(random, kind, language, asked);
  for (int attempt = 0; attempt < 40; ++attempt) {
    Fact other = DrawOther(random, kind, language, asked);
    const size_t end = other.key.rfind(' ');
    if (end != std::string::npos && asked.key.ends_with(other.key.substr(end))) return other;
    if (other.key.front() == asked.key.front()) best = std::move(other);
  }
  return best;
}

constexpr ByLanguage kLeads = {"|Read this:\n|Here is a list:\n|Notes:\n|Remember these facts:\n|Text:\n",
                               "|请读下面的内容：\n|笔记：\n",
                               "|Lies das:\n|Notizen:\n",
                               "|Lis ceci :\n|Notes :\n",
                               "|Lee esto:\n|Notas:\n",
                               "|これを読んでください。\n|メモ：\n"};

std::string Question(CorpusRandom& random, const FactKind& kind, const Fact& fact, Language language) {
  return Fill(Alternative(random, In(kind.asked, language)), {{"k", fact.key}});
}

Draft Ask(CorpusRandom& random, const FactKind& kind, const Fact& fact, Language language, const std::string& text) {
  const std::string question = Question(random, kind, fact, language);
  const std::string answer = Sentence(kind, fact, language);
  const bool question_first = random.Chance(0.1);
  const std::string lead = Alternative(random, In(kLeads, language));
  const std::string prompt = question_first ? StrCat(question, "\n\n", text) : StrCat(lead, text, "\n\n", question);
  Draft draft;
  draft.key = answer;
  draft.dialogue = QuestionAndAnswer(language, prompt, answer);
  draft.dialogue.check = AnswerCheck::kContains;
  draft.dialogue.expected = fact.value;
  MaybeThink(random, 0.25, StrCat("The text says: ", answer), &draft.dialogue);
  return draft;
}

// Three to twenty facts of one or two kinds, with distinct keys, in lines or in one paragraph.
Draft Short(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  const FactKind& kind = random.Pick(kKinds);
  const FactKind& second = random.Chance(0.5) ? kind : random.Pick(kKinds);
  const Fact asked = DrawFact(random, kind, language);
  // 3 to 20, the fewer the likelier.
  const size_t facts = 3 + random.Below(2 + random.Below(17));
  std::vector<std::string> sentences = {Sentence(kind, asked, language)};
  std::vector<std::string> keys = {asked.key};
  while (sentences.size() < facts) {
    const FactKind& other_kind = random.Chance(0.6) ? kind : second;
    Fact other = random.Chance(0.3) && &other_kind == &kind ? DrawSimilar(random, kind, language, asked)
                                                            : DrawOther(random, other_kind, language, asked);
    if (&other_kind == &kind && std::find(keys.begin(), keys.end(), other.key) != keys.end()) continue;
    keys.push_back(other.key);
    sentences.push_back(Sentence(other_kind, other, language));
  }
  random.Shuffle(sentences);
  const std::string text =
      Joined(random, sentences, language, random.Chance(0.6) || kind.slots == Slots::kRoom ? 1 : 0);
  return Ask(random, kind, asked, language, text);
}

// From 300 to 7500, each doubling as likely as the next. (Without std::pow, which rounds differently elsewhere.)
double DrawTokens(CorpusRandom& random) {
  constexpr double kMin = 300;
  constexpr double kMax = 7500;
  while (true) {
    const double tokens = kMin * static_cast<double>(1 << random.Below(5)) * (1 + random.Unit());
    if (tokens <= kMax) return tokens;
  }
}

// One fact somewhere in 300 to 7500 tokens of other sentences, short texts far more often than long ones.
Draft Long(CorpusRandom& random) {
  // Of this corpus's sentences under its own vocabulary of a few thousand; digits are one token each.
  constexpr double kBytesPerToken = 3.4;
  const Language language = PickLanguage(random);
  const FactKind& kind = random.Pick(kKinds);
  const Fact asked = DrawFact(random, kind, language);
  const auto bytes = static_cast<size_t>(DrawTokens(random) * kBytesPerToken);
  std::vector<std::string> sentences;
  for (size_t distractors = 1 + random.Below(2); distractors > 0; --distractors) {
    sentences.push_back(Sentence(kind, DrawSimilar(random, kind, language, asked), language));
  }
  size_t written = 0;
  for (const double facts_share = 0.1 + 0.4 * random.Unit(); written < bytes; written += sentences.back().size() + 1) {
    if (random.Chance(facts_share)) {
      const FactKind& other = random.Chance(0.3) ? kind : random.Pick(kKinds);
      sentences.push_back(Sentence(other, DrawOther(random, other, language, asked), language));
    } else {
      sentences.push_back(FillerSentence(random, language));
    }
  }
  random.Shuffle(sentences);
  const size_t place = random.Below(sentences.size() + 1);
  sentences.insert(sentences.begin() + static_cast<std::ptrdiff_t>(place), Sentence(kind, asked, language));
  // A paragraph has about six sentences.
  const std::string text = Joined(random, sentences, language, kind.slots == Slots::kRoom ? 1 : 1.0 / 6);
  return Ask(random, kind, asked, language, text);
}

// A text of `facts` facts with distinct keys and `fillers` other sentences, and up to `questions` questions about it
// one after the other. The earlier ones are for training whatever the split.
Draft AskSeveral(CorpusRandom& random, size_t facts, size_t fillers, size_t questions) {
  const Language language = PickLanguage(random);
  const FactKind& kind = random.Pick(kKinds);
  const FactKind& second = random.Pick(kKinds);
  struct Planted {
    const FactKind* kind;
    Fact fact;
  };
  std::vector<Planted> planted = {{&kind, DrawFact(random, kind, language)}};
  std::vector<std::string> sentences = {Sentence(kind, planted[0].fact, language)};
  for (int attempts = 0; planted.size() < facts && attempts < 200; ++attempts) {
    const FactKind& other_kind = random.Chance(0.6) ? kind : second;
    Fact other = random.Chance(0.3) ? DrawSimilar(random, other_kind, language, planted[0].fact)
                                    : DrawFact(random, other_kind, language);
    const bool is_new = std::none_of(planted.begin(), planted.end(), [&](const Planted& one) {
      return one.kind == &other_kind && one.fact.key == other.key;
    });
    if (!is_new) continue;
    sentences.push_back(Sentence(other_kind, other, language));
    planted.push_back({&other_kind, std::move(other)});
  }
  for (size_t filler = 0; filler < fillers; ++filler) sentences.push_back(FillerSentence(random, language));
  random.Shuffle(sentences);
  const bool in_lines = random.Chance(0.6) || kind.slots == Slots::kRoom || second.slots == Slots::kRoom;
  std::string text = Alternative(random, In(kLeads, language));
  text += Joined(random, sentences, language, in_lines ? 1 : 0) + "\n\n";
  Draft draft;
  draft.dialogue.language = LanguageCode(language);
  random.Shuffle(planted);
  const Planted last = planted.back();
  planted.pop_back();
  std::vector<ChatMessage>& messages = draft.dialogue.messages;
  for (const Planted& one : planted) {
    if (messages.size() / 2 + 1 == questions) break;
    const std::string answer = Sentence(*one.kind, one.fact, language);
    if (!BelongsTo(Split::kTrain, answer)) continue;
    messages.push_back(UserMessage(text + Question(random, *one.kind, one.fact, language)));
    messages.push_back(AssistantMessage(answer));
    text.clear();
  }
  const std::string answer = Sentence(*last.kind, last.fact, language);
  messages.push_back(UserMessage(text + Question(random, *last.kind, last.fact, language)));
  messages.push_back(AssistantMessage(answer));
  draft.key = answer;
  draft.dialogue.check = AnswerCheck::kContains;
  draft.dialogue.expected = last.fact.value;
  MaybeThink(random, 0.1, StrCat("The text says: ", answer), &draft.dialogue);
  return draft;
}

constexpr size_t kFewQuestions = 8;

// Texts that fit the attention window: where a model learns what looking up is.
Draft Few(CorpusRandom& random) {
  const size_t facts = 2 + random.Below(5);
  return AskSeveral(random, facts, 0, kFewQuestions);
}

// Three in ten have 2,000 to 7,500 tokens: with many questions, so that there is as much to learn for each token as in
// a short text.
Draft Several(CorpusRandom& random) {
  const size_t size = random.Below(10);
  if (size < 4) return AskSeveral(random, 5 + random.Below(20), 0, kFewQuestions);
  size_t facts;
  if (size < 6) {
    facts = 5 + random.Below(26);
    return AskSeveral(random, facts, random.Below(40), kFewQuestions);
  }
  if (size < 7) {
    facts = 8 + random.Below(24);
    return AskSeveral(random, facts, 40 + random.Below(80), 16);
  }
  facts = 12 + random.Below(28);
  return AskSeveral(random, facts, 120 + random.Below(320), 24);
}

constexpr ByLanguage kAskRecite = {
    "Repeat the text.|Write the text again.|Copy the whole text.|Say all of it again.",
    "请重复这段文字。|把上面的内容再写一遍。",
    "Wiederhole den Text.|Schreibe den Text noch einmal.",
    "Répète le texte.|Recopie tout le texte.",
    "Repite el texto.|Copia todo el texto.",
    "この文章を繰り返してください。|もう一度全部書いてください。",
};

// A text to be repeated word for word. Each token of the answer stands further back than a short attention window
// reaches, so that it has to come from compressed rows: texts of nothing else teach a model to read those.
Draft Recite(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  const FactKind& kind = random.Pick(kKinds);
  const std::string_view between = random.Chance(0.6) || kind.slots == Slots::kRoom ? "\n" : IsCjk(language) ? "" : " ";
  std::string text;
  for (size_t sentences = 3 + random.Below(8); sentences > 0; --sentences) {
    if (!text.empty()) text += between;
    text += random.Chance(0.2) ? FillerSentence(random, language)
                               : Sentence(kind, DrawFact(random, kind, language), language);
  }
  const std::string lead = Alternative(random, In(kLeads, language));
  Draft draft;
  draft.key = text;
  draft.dialogue =
      QuestionAndAnswer(language, StrCat(lead, text, "\n\n", Alternative(random, In(kAskRecite, language))), text);
  draft.dialogue.check = AnswerCheck::kExact;
  draft.dialogue.expected = text;
  return draft;
}

// Long texts are few: they are most of the tokens nevertheless.
constexpr Subject kSubjects[] = {
    {"lookup.few", 3.0, WriteFrom<Few>},         {"lookup.short", 4.0, WriteFrom<Short>},
    {"lookup.several", 4.6, WriteFrom<Several>}, {"lookup.long", 2.8, WriteFrom<Long>},
    {"lookup.recite", 1.4, WriteFrom<Recite>},
};

}  // namespace

std::span<const Subject> LookupSubjects() { return kSubjects; }

}  // namespace fathom
