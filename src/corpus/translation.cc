// Translations of single words and of simple sentences between any two of the six languages.
#include "base/strings.h"
#include "corpus/phrases.h"
#include "corpus/subjects.h"
#include "corpus/translation_tables.h"

namespace fathom {
namespace {

// The languages' names, named in each language: kLanguageNames[asked in][named].
constexpr std::array<ByLanguage, kLanguages> kLanguageNames = {{
    {"English", "Chinese", "German", "French", "Spanish", "Japanese"},
    {"英语", "中文", "德语", "法语", "西班牙语", "日语"},
    {"Englisch", "Chinesisch", "Deutsch", "Französisch", "Spanisch", "Japanisch"},
    {"anglais", "chinois", "allemand", "français", "espagnol", "japonais"},
    {"inglés", "chino", "alemán", "francés", "español", "japonés"},
    {"英語", "中国語", "ドイツ語", "フランス語", "スペイン語", "日本語"},
}};

// {x}: the text, {t}: the target's name. German "ins Deutsche" adds its e in the pattern.
constexpr ByLanguage kAskWord = {
    "How do you say \"{x}\" in {t}?|What is \"{x}\" in {t}?|Translate \"{x}\" to {t}.|What is the {t} word for "
    "\"{x}\"?|"
    "\"{x}\" in {t}?|Translate to {t}: {x}|How do I say {x} in {t}?|{x} in {t}",
    "“{x}”用{t}怎么说？|把“{x}”翻译成{t}。|“{x}”的{t}是什么？|翻译成{t}：{x}|{x}用{t}怎么说？",
    "Wie heißt \"{x}\" auf {t}?|Was heißt \"{x}\" auf {t}?|Übersetze \"{x}\" ins {t}e.|Wie sagt man \"{x}\" auf {t}?|"
    "Übersetze ins {t}e: {x}",
    "Comment dit-on « {x} » en {t} ?|Traduis « {x} » en {t}.|Que veut dire « {x} » en {t} ?|Traduis en {t} : {x}|"
    "Comment dire \"{x}\" en {t} ?",
    "¿Cómo se dice \"{x}\" en {t}?|Traduce \"{x}\" al {t}.|¿Qué es \"{x}\" en {t}?|Traduce al {t}: {x}|"
    "¿Cómo se dice {x} en {t}?",
    "「{x}」は{t}で何ですか？|「{x}」を{t}に訳してください。|「{x}」は{t}で何と言いますか？|{t}に訳して：{x}|"
    "「{x}」を{t}で言うと？"};
constexpr ByLanguage kAskSentence = {
    "Translate to {t}: {x}|Translate into {t}: {x}|How do you say \"{x}\" in {t}?|Translate \"{x}\" to {t}.|"
    "What is \"{x}\" in {t}?|Say this in {t}: {x}",
    "翻译成{t}：{x}|把“{x}”翻译成{t}。|“{x}”用{t}怎么说？|请把这句话翻译成{t}：{x}",
    "Übersetze ins {t}e: {x}|Übersetze \"{x}\" ins {t}e.|Wie sagt man \"{x}\" auf {t}?|Was heißt \"{x}\" auf {t}?",
    "Traduis en {t} : {x}|Traduis « {x} » en {t}.|Comment dit-on « {x} » en {t} ?|Traduis cette phrase en {t} : {x}",
    "Traduce al {t}: {x}|Traduce \"{x}\" al {t}.|¿Cómo se dice \"{x}\" en {t}?|Traduce esta frase al {t}: {x}",
    "{t}に訳してください：{x}|「{x}」を{t}に訳してください。|「{x}」は{t}で何と言いますか？|{t}に翻訳して：{x}"};

struct Route {
  Language from;
  Language to;
  Language asked_in;
};

Language OtherThan(CorpusRandom& random, Language first, Language second) {
  while (true) {
    const auto language = static_cast<Language>(random.Below(kLanguages));
    if (language != first && language != second) return language;
  }
}

// English takes part in 60 of 100.
Route PickRoute(CorpusRandom& random) {
  Route route = {Language::kEn, Language::kEn, Language::kEn};
  const Language one = OtherThan(random, Language::kEn, Language::kEn);
  if (!random.Chance(0.6)) {
    route.from = one;
    route.to = OtherThan(random, Language::kEn, one);
  } else if (random.Chance(0.6)) {
    route.to = one;
  } else {
    route.from = one;
  }
  const uint64_t asked = random.Below(20);
  if (asked < 8) route.asked_in = route.from;
  if (asked >= 8 && asked < 12) route.asked_in = route.to;
  return route;
}

std::string_view NameOf(Language asked_in, Language named) {
  return In(kLanguageNames[static_cast<size_t>(asked_in)], named);
}

// Typed before it is filled, so that what is to be translated keeps its spelling.
Draft Ask(CorpusRandom& random, const Route& route, const std::string& pattern, const std::string& text,
          const std::string& answer) {
  Draft draft;
  const std::string typed = AsTyped(random, route.asked_in, pattern);
  draft.dialogue =
      QuestionAndAnswer(route.to, Fill(typed, {{"x", text}, {"t", NameOf(route.asked_in, route.to)}}), answer);
  draft.dialogue.check = AnswerCheck::kExact;
  draft.dialogue.expected = answer;
  // Without the language of the text: a word may be written alike in two, and the question is then the same.
  draft.key = StrCat(text, "/", LanguageCode(route.to));
  MaybeThink(random, 0.08, StrCat("\"", text, "\" is \"", answer, "\" in ", NameOf(Language::kEn, route.to), "."),
             &draft.dialogue);
  return draft;
}

Draft Word(CorpusRandom& random) {
  const Route route = PickRoute(random);
  const ByLanguage& word = random.Pick(TranslationWords());
  const std::string text = Alternative(random, In(word, route.from));
  const std::string answer(Alternatives(In(word, route.to)).front());
  const std::string pattern = Alternative(random, In(kAskWord, route.asked_in));
  Draft draft = Ask(random, route, pattern, text, answer);
  draft.key += StrCat("/", pattern);
  return draft;
}

// A sentence: the pattern in all languages and what its slots hold.
struct Sentence {
  ByLanguage pattern;
  ByLanguage a = {};
  ByLanguage b = {};
  std::string free;  // {n}: a number or a name, the same in all languages
};

// {A} is {a} with a capital letter; all articles start with an ASCII letter.
std::string Write(const Sentence& sentence, Language language) {
  std::string capital(In(sentence.a, language));
  if (!capital.empty()) capital.replace(0, 1, Upper(capital.substr(0, 1)));
  return Fill(In(sentence.pattern, language),
              {{"a", In(sentence.a, language)}, {"A", capital}, {"b", In(sentence.b, language)}, {"n", sentence.free}});
}

ByLanguage With(ByLanguage texts, std::string_view french, std::string_view spanish) {
  texts[static_cast<size_t>(Language::kFr)] = french;
  texts[static_cast<size_t>(Language::kEs)] = spanish;
  return texts;
}

Sentence ThingIs(CorpusRandom& random) {
  const TranslationNoun& noun =
      random.Chance(0.5) ? random.Pick(TranslationAnimals()) : random.Pick(TranslationThings());
  const TranslationAdjective& adjective = random.Pick(TranslationAdjectives());
  const ByLanguage& masculine = adjective.masculine;
  return {{"{A} is {b}.", "{a}{b}。", "{A} ist {b}.", "{A} est {b}.", "{A} es {b}.", "{a}は{b}です。"},
          noun.definite,
          With(masculine, noun.feminine_fr ? adjective.feminine_fr : In(masculine, Language::kFr),
               noun.feminine_es ? adjective.feminine_es : In(masculine, Language::kEs)),
          ""};
}

Sentence IHave(CorpusRandom& random) {
  const TranslationNoun& noun = random.Pick(TranslationAnimals());
  Sentence sentence = {{"I have {a} {b}.", "我有{a}{b}。", "Ich habe {a} {b}.", "J'ai {a} {b}.", "Tengo {a} {b}.", ""},
                       random.Pick(TranslationNumbers()),
                       noun.counted,
                       ""};
  // Japanese has number and counter after the noun, which takes the free {n}.
  sentence.pattern[static_cast<size_t>(Language::kJa)] = "私は{n}を{a}{b}飼っています。";
  sentence.free = In(noun.definite, Language::kJa);
  return sentence;
}

Sentence Food(CorpusRandom& random) {
  const TranslationFood& food = random.Pick(TranslationFoods());
  if (random.Chance(0.3)) {
    return {{"I like {b}.", "我喜欢{b}。", "Ich mag {b}.", "J'aime {b}.", "Me {b}.", "私は{b}が好きです。"},
            {},
            food.liked,
            ""};
  }
  return {{"{A} eats {b}.", "{a}吃{b}。", "{A} frisst {b}.", "{A} mange {b}.", "{A} come {b}.", "{a}は{b}を食べます。"},
          random.Pick(TranslationAnimals()).definite,
          With(food.liked, food.eaten_fr, food.eaten_es),
          ""};
}

Sentence Place(CorpusRandom& random) {
  const TranslationPlace& place = random.Pick(TranslationPlaces());
  if (random.Chance(0.4)) {
    return {{"Where is {b}?", "{b}在哪里？", "Wo ist {b}?", "Où est {b} ?", "¿Dónde está {b}?", "{b}はどこですか？"},
            {},
            place.definite,
            ""};
  }
  return {{"{a} {b}.", "{a}{b}。", "{a} {b}.", "{a} {b}.", "{a} {b}.", "{a}{b}に行きます。"},
          random.Pick(TranslationPersons()).goes,
          place.towards,
          ""};
}

Sentence Inside(CorpusRandom& random) {
  const ByLanguage& animal = random.Pick(TranslationAnimals()).definite;
  return {{"{A} is {b}.", "{a}在{b}。", "{A} ist {b}.", "{A} est {b}.", "{A} está {b}.", "{a}は{b}にいます。"},
          animal,
          random.Pick(TranslationInside()),
          ""};
}

Sentence Drink(CorpusRandom& random) {
  const ByLanguage& drinks = random.Pick(TranslationPersons()).drinks;
  return {{"{a} {b}.", "{a}{b}。", "{a} {b}.", "{a} {b}.", "{a} {b}.", "{a}{b}を飲みます。"},
          drinks,
          random.Pick(TranslationDrinks()),
          ""};
}

Sentence AgeOrPrice(CorpusRandom& random) {
  const std::string number = StrCat(random.Between(2, 80));
  if (random.Chance(0.5)) {
    return {{"{a} is {n} years old.", "{a}{n}岁。", "{a} ist {n} Jahre alt.", "{a} a {n} ans.", "{a} tiene {n} años.",
             "{a}は{n}歳です。"},
            random.Pick(TranslationFamily()),
            {},
            number};
  }
  return {{"{A} costs {n} euros.", "{a}的价格是{n}欧元。", "{A} kostet {n} Euro.", "{A} coûte {n} euros.",
           "{A} cuesta {n} euros.", "{a}は{n}ユーロです。"},
          random.Pick(TranslationThings()).definite,
          {},
          number};
}

Sentence AboutMe(CorpusRandom& random, const Route& route) {
  switch (random.Below(3)) {
    case 0: {
      Sentence sentence = {{"My name is {b}.", "我叫{b}。", "Ich heiße {b}.", "Je m'appelle {b}.", "Me llamo {b}.",
                            "私の名前は{b}です。"},
                           {},
                           random.Pick(TranslationNames()),
                           ""};
      // Any name goes from one Latin script to another; else one whose form in the other script is known.
      if (!IsCjk(route.from) && !IsCjk(route.to)) {
        sentence.pattern = {"My name is {n}.", "", "Ich heiße {n}.", "Je m'appelle {n}.", "Me llamo {n}.", ""};
        sentence.free = PersonName(random, Language::kEn);
      }
      return sentence;
    }
    case 1:
      return {{"I live in {b}.", "我住在{b}。", "Ich wohne in {b}.", "J'habite à {b}.", "Vivo en {b}.",
               "私は{b}に住んでいます。"},
              {},
              random.Pick(TranslationCities()),
              ""};
    default: {
      ByLanguage names = {};
      const size_t language = random.Below(kLanguages);
      for (size_t in = 0; in < kLanguages; ++in) names[in] = kLanguageNames[in][language];
      return {{"I speak {b}.", "我说{b}。", "Ich spreche {b}.", "Je parle {b}.", "Hablo {b}.", "私は{b}を話します。"},
              {},
              names,
              ""};
    }
  }
}

Sentence Day(CorpusRandom& random) {
  const ByLanguage& day = random.Pick(TranslationDays());
  if (random.Chance(0.5)) {
    return {
        {"Today is {b}.", "今天是{b}。", "Heute ist {b}.", "Aujourd'hui, c'est {b}.", "Hoy es {b}.", "今日は{b}です。"},
        {},
        day,
        ""};
  }
  return {
      {"Tomorrow is {b}.", "明天是{b}。", "Morgen ist {b}.", "Demain, c'est {b}.", "Mañana es {b}.", "明日は{b}です。"},
      {},
      day,
      ""};
}

Sentence PickSentence(CorpusRandom& random, const Route& route) {
  switch (random.Below(12)) {
    case 0:
    case 1:
    case 2:
      return ThingIs(random);
    case 3:
    case 4:
      return IHave(random);
    case 5:
    case 6:
      return Food(random);
    case 7:
      return Place(random);
    case 8:
      return Inside(random);
    case 9:
      return random.Chance(0.6) ? Drink(random) : Day(random);
    case 10:
      return AgeOrPrice(random);
    default:
      return AboutMe(random, route);
  }
}

// French says the same for "hello", which is its translation among the words: the morning is only a target there.
Sentence PickPhrase(CorpusRandom& random, const Route& route) {
  while (true) {
    const ByLanguage& phrase = random.Pick(TranslationPhrases());
    if (In(phrase, route.from) != "Bonjour.") return {phrase, {}, {}, ""};
  }
}

// As people type a sentence to be translated: often with a small first letter or without the full stop.
std::string Loosely(CorpusRandom& random, std::string text) {
  if (random.Chance(0.25)) text.replace(0, 1, Lower(text.substr(0, 1)));
  const bool drop = random.Chance(0.35);
  for (const std::string_view stop : {".", "。"}) {
    if (drop && text.ends_with(stop)) text.resize(text.size() - stop.size());
  }
  return text;
}

Draft SentenceDraft(CorpusRandom& random) {
  const Route route = PickRoute(random);
  const bool whole = random.Chance(0.2);
  const Sentence sentence = whole ? PickPhrase(random, route) : PickSentence(random, route);
  const std::string text = Write(sentence, route.from);
  const std::string pattern = Alternative(random, In(kAskSentence, route.asked_in));
  const std::string typed = Loosely(random, text);
  Draft draft = Ask(random, route, pattern, typed, Write(sentence, route.to));
  draft.key = StrCat(text, "/", LanguageCode(route.to));
  // A whole phrase cannot be put together from others, so all its pairs are for training, in most of the phrasings.
  if (whole) draft.key += StrCat("/", pattern);
  return draft;
}

constexpr Subject kSubjects[] = {
    {"translation.words", 12.0, WriteFrom<Word>},
    {"translation.sentences", 8.0, WriteFrom<SentenceDraft>},
};

}  // namespace

std::span<const Subject> TranslationSubjects() { return kSubjects; }

}  // namespace fathom
