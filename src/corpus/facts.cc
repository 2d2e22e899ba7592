// Capitals, colours, opposites, days and months, counting: short fixed answers. What is held out is a phrasing: the
// fact itself is trained in other phrasings and languages.
#include "corpus/facts_tables.h"
#include "corpus/keys.h"
#include "corpus/phrases.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

constexpr double kThinkingShare = 0.12;
constexpr double kSystemShare = 0.08;

constexpr ByLanguage kAskCapital = {
    "What is the capital of {x}?|Which city is the capital of {x}?|Name the capital of {x}.|Capital of {x}?|"
    "Tell me the capital of {x}.|What's the capital city of {x}?|Do you know the capital of {x}?|"
    "What is the name of the capital of {x}?",
    "{x}的首都是哪里？|{x}的首都是什么？|{x}首都是哪个城市？|哪个城市是{x}的首都？|请告诉我{x}的首都。|{x}的首都？|"
    "你知道{x}的首都吗？|{x}的首都叫什么？",
    "Was ist die Hauptstadt {x}?|Wie heißt die Hauptstadt {x}?|Nenne die Hauptstadt {x}.|Hauptstadt {x}?|"
    "Welche Stadt ist die Hauptstadt {x}?|Kennst du die Hauptstadt {x}?|Sag mir die Hauptstadt {x}.|"
    "Weißt du, wie die Hauptstadt {x} heißt?",
    "Quelle est la capitale {x} ?|Comment s'appelle la capitale {x} ?|Donne la capitale {x}.|La capitale {x} ?|"
    "Quelle ville est la capitale {x} ?|Connais-tu la capitale {x} ?|Dis-moi la capitale {x}.|"
    "C'est quoi, la capitale {x} ?",
    "¿Cuál es la capital {x}?|¿Qué ciudad es la capital {x}?|Dime la capital {x}.|¿La capital {x}?|"
    "¿Cómo se llama la capital {x}?|¿Sabes cuál es la capital {x}?|Nombra la capital {x}.|"
    "¿Conoces la capital {x}?",
    "{x}の首都はどこですか？|{x}の首都は？|{x}の首都は何ですか？|{x}の首都を教えてください。|{x}の首都はどこ？|"
    "{x}の首都を知っていますか？|どの都市が{x}の首都ですか？|{x}の首都の名前は何ですか？",
};
constexpr ByLanguage kCapital = {
    "The capital of {x} is {y}.", "{x}的首都是{y}。",       "Die Hauptstadt {x} ist {y}.",
    "La capitale {x} est {y}.",   "La capital {x} es {y}.", "{x}の首都は{y}です。",
};
constexpr ByLanguage kAskCountry = {
    "{y} is the capital of which country?|Which country has {y} as its capital?|What country is {y} the capital of?",
    "{y}是哪个国家的首都？|哪个国家的首都是{y}？|{y}是什么国家的首都？",
    "{y} ist die Hauptstadt welches Landes?|Welches Land hat die Hauptstadt {y}?|"
    "Von welchem Land ist {y} die Hauptstadt?",
    "{y} est la capitale de quel pays ?|Quel pays a pour capitale {y} ?|De quel pays {y} est la capitale ?",
    "¿De qué país es capital {y}?|¿{y} es la capital de qué país?|¿Qué país tiene como capital {y}?",
    "{y}はどの国の首都ですか？|{y}はどこの国の首都ですか？|首都が{y}の国はどこですか？",
};
constexpr ByLanguage kCountry = {
    "{y} is the capital of {x}.", "{y}是{x}的首都。",       "{y} ist die Hauptstadt {x}.",
    "{y} est la capitale {x}.",   "{y} es la capital {x}.", "{y}は{x}の首都です。",
};

constexpr ByLanguage kAskColor = {
    "What color is {x}?|Which color is {x}?|What is the color of {x}?|Tell me the color of {x}.|"
    "What color does {x} have?|Do you know what color {x} is?",
    "{x}是什么颜色？|{x}是什么颜色的？|{x}的颜色是什么？|{x}是哪种颜色？|请告诉我{x}的颜色。",
    "Welche Farbe hat {x}?|Was für eine Farbe hat {x}?|Sag mir, welche Farbe {x} hat.|Weißt du, welche Farbe {x} hat?",
    "De quelle couleur est {x} ?|Quelle couleur a {x} ?|Dis-moi de quelle couleur est {x}.|"
    "Sais-tu de quelle couleur est {x} ?",
    "¿De qué color es {x}?|¿Qué color tiene {x}?|Dime de qué color es {x}.|¿Sabes de qué color es {x}?",
    "{x}は何色ですか？|{x}の色は何ですか？|{x}は何色？|{x}の色を教えてください。|{x}の色は？",
};
constexpr ByLanguage kColor = {
    "The color of {x} is {y}.", "{x}是{y}的。",     "Die Farbe ist {y}.",
    "La couleur est le {y}.",   "Es de color {y}.", "{x}は{y}です。",
};
constexpr ByLanguage kAskMixing = {
    "What color do you get when you mix {p} and {q}?|Which color do {p} and {q} make?|What do {p} and {q} make?|"
    "Mix {p} and {q}: which color is it?",
    "{p}和{q}混合是什么颜色？|把{p}和{q}混在一起会变成什么颜色？|{p}加{q}是什么颜色？",
    "Welche Farbe entsteht aus {p} und {q}?|Was ergibt {p} und {q} gemischt?|Welche Farbe ergeben {p} und {q}?",
    "Quelle couleur donne le mélange de {p} et de {q} ?|Que donne {p} plus {q} ?|"
    "Quelle couleur obtient-on avec du {p} et du {q} ?",
    "¿Qué color sale al mezclar {p} y {q}?|¿Qué color dan {p} y {q}?|¿Qué color resulta de {p} más {q}?",
    "{p}と{q}を混ぜると何色になりますか？|{p}と{q}を混ぜると何色？|{p}と{q}で何色になりますか？",
};
constexpr ByLanguage kMixing = {
    "{p} and {q} make {y}.",          "{p}和{q}混合是{y}。",
    "{p} und {q} ergeben {y}.",       "Le mélange de {p} et de {q} donne la couleur {y}.",
    "Al mezclar {p} y {q} sale {y}.", "{p}と{q}を混ぜると{y}になります。",
};

constexpr ByLanguage kAskOpposite = {
    "What is the opposite of {x}?|Give me the opposite of {x}.|Opposite of {x}?|Which word is the opposite of {x}?|"
    "Tell me the opposite of {x}.|What word means the opposite of {x}?|What is the opposite of the word \"{x}\"?",
    "“{x}”的反义词是什么？|{x}的反义词？|“{x}”的反义词是哪个？|请说出“{x}”的反义词。|与“{x}”相反的词是什么？|"
    "“{x}”的反面是什么？",
    "Was ist das Gegenteil von {x}?|Nenne das Gegenteil von {x}.|Wie lautet das Gegenteil von {x}?|"
    "Gegenteil von {x}?|Sag mir das Gegenteil von {x}.|Welches Wort ist das Gegenteil von „{x}“?",
    "Quel est le contraire de « {x} » ?|Donne le contraire de « {x} ».|Dis-moi le contraire de « {x} ».|"
    "Le contraire de « {x} » ?|Quel mot est le contraire de « {x} » ?|Quel est l'opposé de « {x} » ?",
    "¿Cuál es el contrario de «{x}»?|Dime lo contrario de «{x}».|¿Qué es lo contrario de «{x}»?|"
    "¿Lo contrario de «{x}»?|¿Qué palabra es lo contrario de «{x}»?|¿Cuál es el antónimo de «{x}»?",
    "「{x}」の反対は何ですか？|「{x}」の反対は？|「{x}」の反対語は何ですか？|「{x}」の反対の言葉は何ですか？|"
    "「{x}」の反対を教えてください。|「{x}」の対義語は？",
};
constexpr ByLanguage kOpposite = {
    "The opposite of {x} is {y}.",          "“{x}”的反义词是“{y}”。",          "Das Gegenteil von {x} ist {y}.",
    "Le contraire de « {x} » est « {y} ».", "El contrario de «{x}» es «{y}».", "「{x}」の反対は「{y}」です。",
};
// With what stands around the word, for some words contain their opposite ("est", "ouest").
constexpr ByLanguage kOppositeExpected = {"is {y}", "“{y}”", "ist {y}", "« {y} »", "«{y}»", "「{y}」"};

// A step in the round of days or months.
struct Step {
  bool months;
  bool after;
  ByLanguage ask;
  ByLanguage answer;
};

constexpr Step kSteps[] = {
    {false,
     true,
     {"What day comes after {x}?|Which day is after {x}?|What is the day after {x}?|Which day follows {x}?",
      "{x}的后一天是星期几？|{x}之后是星期几？|{x}的第二天是星期几？|{x}后面是星期几？",
      "Welcher Tag kommt nach {x}?|Welcher Tag folgt auf {x}?|Was kommt nach {x}?|Welcher Tag ist nach {x}?",
      "Quel jour vient après {x} ?|Quel est le jour après {x} ?|Après {x}, c'est quel jour ?|Quel jour suit {x} ?",
      "¿Qué día viene después del {x}?|¿Qué día sigue al {x}?|¿Cuál es el día después del {x}?|"
      "Después del {x}, ¿qué día viene?",
      "{x}の次の日は何曜日ですか？|{x}の次は何曜日ですか？|{x}の次の日は？|{x}の翌日は何曜日ですか？"},
     {"The day after {x} is {y}.", "{x}的后一天是{y}。", "Nach {x} kommt {y}.", "Après {x} vient {y}.",
      "Después del {x} viene el {y}.", "{x}の次の日は{y}です。"}},
    {false,
     false,
     {"What day comes before {x}?|Which day is before {x}?|What is the day before {x}?|Which day comes right before "
      "{x}?",
      "{x}的前一天是星期几？|{x}之前是星期几？|{x}前面是星期几？",
      "Welcher Tag kommt vor {x}?|Was kommt vor {x}?|Welcher Tag ist vor {x}?|Welcher Tag liegt vor {x}?",
      "Quel jour vient avant {x} ?|Quel est le jour avant {x} ?|Avant {x}, c'est quel jour ?|Quel jour précède {x} ?",
      "¿Qué día viene antes del {x}?|¿Cuál es el día antes del {x}?|¿Qué día es antes del {x}?|"
      "Antes del {x}, ¿qué día viene?",
      "{x}の前の日は何曜日ですか？|{x}の前は何曜日ですか？|{x}の前の日は？|{x}の前日は何曜日ですか？"},
     {"The day before {x} is {y}.", "{x}的前一天是{y}。", "Vor {x} kommt {y}.", "Avant {x} vient {y}.",
      "Antes del {x} viene el {y}.", "{x}の前の日は{y}です。"}},
    {true,
     true,
     {"What month comes after {x}?|Which month is after {x}?|What is the month after {x}?|Which month follows {x}?",
      "{x}的下一个月是几月？|{x}之后是几月？|{x}后面是几月？",
      "Welcher Monat kommt nach {x}?|Welcher Monat folgt auf {x}?|Was kommt nach {x}?|Welcher Monat ist nach {x}?",
      "Quel mois vient après {x} ?|Quel est le mois après {x} ?|Après {x}, c'est quel mois ?|Quel mois suit {x} ?",
      "¿Qué mes viene después de {x}?|¿Qué mes sigue a {x}?|¿Cuál es el mes después de {x}?|"
      "Después de {x}, ¿qué mes viene?",
      "{x}の次の月は何月ですか？|{x}の次は何月ですか？|{x}の次の月は？|{x}の翌月は何月ですか？"},
     {"The month after {x} is {y}.", "{x}的下一个月是{y}。", "Nach {x} kommt {y}.", "Après {x} vient {y}.",
      "Después de {x} viene {y}.", "{x}の次の月は{y}です。"}},
    {true,
     false,
     {"What month comes before {x}?|Which month is before {x}?|What is the month before {x}?|"
      "Which month comes right before {x}?",
      "{x}的上一个月是几月？|{x}之前是几月？|{x}前面是几月？",
      "Welcher Monat kommt vor {x}?|Was kommt vor {x}?|Welcher Monat ist vor {x}?|Welcher Monat liegt vor {x}?",
      "Quel mois vient avant {x} ?|Quel est le mois avant {x} ?|Avant {x}, c'est quel mois ?|Quel mois précède {x} ?",
      "¿Qué mes viene antes de {x}?|¿Cuál es el mes antes de {x}?|¿Qué mes es antes de {x}?|"
      "Antes de {x}, ¿qué mes viene?",
      "{x}の前の月は何月ですか？|{x}の前は何月ですか？|{x}の前の月は？|{x}の前月は何月ですか？"},
     {"The month before {x} is {y}.", "{x}的上一个月是{y}。", "Vor {x} kommt {y}.", "Avant {x} vient {y}.",
      "Antes de {x} viene {y}.", "{x}の前の月は{y}です。"}},
};
// 一月 stands in 十一月, and 1月 in 11月.
constexpr ByLanguage kStepExpected = {"{y}", "是{y}", "{y}", "{y}", "{y}", "は{y}"};

constexpr ByLanguage kAskCount = {
    "Count from {p} to {q}.|Please count from {p} to {q}.|Can you count from {p} to {q}?|"
    "List the numbers from {p} to {q}.|Write the numbers from {p} to {q}.|count {p} to {q}",
    "从{p}数到{q}。|请从{p}数到{q}。|列出从{p}到{q}的数字。|你能从{p}数到{q}吗？",
    "Zähle von {p} bis {q}.|Bitte zähle von {p} bis {q}.|Kannst du von {p} bis {q} zählen?|"
    "Schreibe die Zahlen von {p} bis {q}.",
    "Compte de {p} à {q}.|Peux-tu compter de {p} à {q} ?|Écris les nombres de {p} à {q}.|"
    "Compte de {p} jusqu'à {q}.",
    "Cuenta de {p} a {q}.|Cuenta del {p} al {q}.|¿Puedes contar de {p} a {q}?|Escribe los números del {p} al {q}.",
    "{p}から{q}まで数えてください。|{p}から{q}まで数えて。|{p}から{q}までの数字を書いてください。|"
    "{p}から{q}まで数えられますか？",
};
constexpr ByLanguage kAskNext = {
    "What number comes after {x}?|Which number comes after {x}?|What comes after {x}?|What is the number after {x}?|"
    "Which number follows {x}?",
    "{x}后面是几？|{x}的下一个数是多少？|{x}之后是什么数字？",
    "Welche Zahl kommt nach {x}?|Was kommt nach {x}?|Welche Zahl folgt auf {x}?",
    "Quel nombre vient après {x} ?|Qu'est-ce qui vient après {x} ?|Quel nombre suit {x} ?",
    "¿Qué número viene después de {x}?|¿Qué viene después del {x}?|¿Qué número sigue a {x}?",
    "{x}の次の数は何ですか？|{x}の次は？|{x}の次の数字は何ですか？",
};
constexpr ByLanguage kNext = {
    "After {x} comes {y}.",      "{x}后面是{y}。",     "Nach {x} kommt {y}.", "Après {x} vient {y}.",
    "Después de {x} viene {y}.", "{x}の次は{y}です。",
};
constexpr ByLanguage kAskPrevious = {
    "What number comes before {x}?|Which number comes before {x}?|What comes before {x}?|"
    "What is the number before {x}?",
    "{x}前面是几？|{x}的上一个数是多少？|{x}之前是什么数字？",
    "Welche Zahl kommt vor {x}?|Was kommt vor {x}?|Welche Zahl steht vor {x}?",
    "Quel nombre vient avant {x} ?|Qu'est-ce qui vient avant {x} ?|Quel nombre précède {x} ?",
    "¿Qué número viene antes de {x}?|¿Qué viene antes del {x}?|¿Qué número va antes de {x}?",
    "{x}の前の数は何ですか？|{x}の前は？|{x}の前の数字は何ですか？",
};
constexpr ByLanguage kPrevious = {
    "Before {x} comes {y}.", "{x}前面是{y}。",          "Vor {x} kommt {y}.",
    "Avant {x} vient {y}.",  "Antes de {x} viene {y}.", "{x}の前は{y}です。",
};
constexpr ByLanguage kAskWord = {
    "Write {x} as a word.|Write the number {x} in words.|How do you spell the number {x}?|{x} in words?",
    "用汉字写出{x}。|数字{x}用汉字怎么写？|请把{x}写成汉字。",
    "Schreibe {x} als Wort.|Wie schreibt man die Zahl {x} als Wort?|Schreibe die Zahl {x} aus.",
    "Écris {x} en lettres.|Comment écrit-on {x} en lettres ?|Écris le nombre {x} en lettres.",
    "Escribe {x} en letras.|¿Cómo se escribe {x} en letras?|Escribe el número {x} con letras.",
    "{x}を漢字で書いてください。|{x}は漢字でどう書きますか？|数字の{x}を漢字にしてください。",
};
constexpr ByLanguage kAskDigits = {
    "Write {x} as a number.|Write {x} in digits.|Which number is \"{x}\"?",
    "用数字写出“{x}”。|“{x}”用阿拉伯数字怎么写？|请把“{x}”写成数字。",
    "Schreibe {x} als Zahl.|Schreibe {x} in Ziffern.|Welche Zahl ist „{x}“?",
    "Écris « {x} » en chiffres.|Comment écrit-on « {x} » en chiffres ?|Quel nombre est « {x} » ?",
    "Escribe «{x}» en cifras.|¿Cómo se escribe «{x}» en cifras?|¿Qué número es «{x}»?",
    "「{x}」を数字で書いてください。|「{x}」は数字でどう書きますか？|「{x}」を数字にしてください。",
};

// The dialogue around a question, with its key: the question without its typing, so equal questions of two languages
// ("Capital de Cuba") fall on the same side.
Draft Finish(CorpusRandom& random, Language language, std::string question, std::string answer, AnswerCheck check,
             std::string expected, std::string thought) {
  Draft draft;
  draft.key = FactKey(question);
  draft.dialogue = QuestionAndAnswer(language, AsTyped(random, language, std::move(question)), std::move(answer));
  draft.dialogue.check = check;
  draft.dialogue.expected = std::move(expected);
  MaybeThink(random, kThinkingShare, std::move(thought), &draft.dialogue);
  MaybeSystem(random, kSystemShare, language, &draft.dialogue);
  return draft;
}

// "Schweiz" of "der Schweiz".
std::string_view WithoutJoint(std::string_view country, Language language) {
  constexpr ByLanguage kJoints = {"the ", "", "von |der |des ", "de la |de l'|du |des |de ", "de los |del |de ", ""};
  for (const std::string_view joint : Alternatives(In(kJoints, language))) {
    if (country.starts_with(joint)) return country.substr(joint.size());
  }
  return country;
}

Draft Capital(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  const Fact& fact = random.Pick(CapitalFacts());
  const std::string_view country = In(fact.thing, language);
  const std::string_view city = In(fact.answer, language);
  const bool asks_country = random.Chance(0.4);
  const std::string ask = Alternative(random, In(asks_country ? kAskCountry : kAskCapital, language));
  const std::string thought = Fill(In(asks_country ? kCountry : kCapital, Language::kEn),
                                   {{"x", In(fact.thing, Language::kEn)}, {"y", In(fact.answer, Language::kEn)}});
  return Finish(random, language, Fill(ask, {{"x", country}, {"y", city}}),
                Fill(In(asks_country ? kCountry : kCapital, language), {{"x", country}, {"y", city}}),
                AnswerCheck::kContains, std::string(asks_country ? WithoutJoint(country, language) : city), thought);
}

// Colours are nouns in a mixture, which German writes with a capital letter.
std::string ColorNoun(const ByLanguage& color, Language language) {
  std::string noun(In(color, language));
  if (language == Language::kDe) noun.replace(0, 1, Upper(noun.substr(0, 1)));
  return noun;
}

Draft Mixing(CorpusRandom& random, Language language) {
  const ColorMixing& mixing = random.Pick(ColorMixings());
  const bool swapped = random.Chance(0.5);
  const ByLanguage& one = swapped ? mixing.second : mixing.first;
  const ByLanguage& other = swapped ? mixing.first : mixing.second;
  const std::string p = ColorNoun(one, language);
  const std::string q = ColorNoun(other, language);
  const std::string y = ColorNoun(mixing.result, language);
  const std::string ask = Alternative(random, In(kAskMixing, language));
  std::string answer = Fill(In(kMixing, language), {{"p", p}, {"q", q}, {"y", y}});
  answer.replace(0, 1, Upper(answer.substr(0, 1)));
  const std::string thought =
      Fill("Mixing {p} and {q} gives {y}.",
           {{"p", In(one, Language::kEn)}, {"q", In(other, Language::kEn)}, {"y", In(mixing.result, Language::kEn)}});
  return Finish(random, language, Fill(ask, {{"p", p}, {"q", q}}), answer, AnswerCheck::kContains, y, thought);
}

Draft Color(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  if (random.Chance(0.2)) return Mixing(random, language);
  const Fact& fact = random.Pick(ColorFacts());
  const std::string_view thing = In(fact.thing, language);
  const std::string_view color = In(fact.answer, language);
  const std::string ask = Alternative(random, In(kAskColor, language));
  const std::string thought =
      Fill(In(kColor, Language::kEn), {{"x", In(fact.thing, Language::kEn)}, {"y", In(fact.answer, Language::kEn)}});
  return Finish(random, language, Fill(ask, {{"x", thing}}), Fill(In(kColor, language), {{"x", thing}, {"y", color}}),
                AnswerCheck::kContains, std::string(color), thought);
}

Draft Opposite(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  const Fact& fact = random.Pick(OppositeFacts());
  const bool backwards = random.Chance(0.5);
  const ByLanguage& word = backwards ? fact.answer : fact.thing;
  const ByLanguage& opposite = backwards ? fact.thing : fact.answer;
  const std::string_view x = In(word, language);
  const std::string_view y = In(opposite, language);
  const std::string ask = Alternative(random, In(kAskOpposite, language));
  const std::string thought =
      Fill(In(kOpposite, Language::kEn), {{"x", In(word, Language::kEn)}, {"y", In(opposite, Language::kEn)}});
  return Finish(random, language, Fill(ask, {{"x", x}}), Fill(In(kOpposite, language), {{"x", x}, {"y", y}}),
                AnswerCheck::kContains, Fill(In(kOppositeExpected, language), {{"y", y}}), thought);
}

Draft DayOrMonth(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  const Step& step = random.Pick(kSteps);
  const std::span<const ByLanguage> round = step.months ? Months() : Weekdays();
  const size_t at = random.Below(round.size());
  const ByLanguage& from = round[at];
  const ByLanguage& to = round[(at + (step.after ? 1 : round.size() - 1)) % round.size()];
  const std::string_view x = In(from, language);
  const std::string_view y = In(to, language);
  const std::string ask = Alternative(random, In(step.ask, language));
  const std::string thought =
      Fill(In(step.answer, Language::kEn), {{"x", In(from, Language::kEn)}, {"y", In(to, Language::kEn)}});
  return Finish(random, language, Fill(ask, {{"x", x}}), Fill(In(step.answer, language), {{"x", x}, {"y", y}}),
                AnswerCheck::kContains, Fill(In(kStepExpected, language), {{"y", y}}), thought);
}

Draft CountList(CorpusRandom& random, Language language) {
  const int64_t first = random.Chance(0.4) ? 1 : random.Between(0, 40);
  const int64_t length = random.Between(3, 12);
  const int64_t step = random.Chance(0.15) ? -1 : 1;
  const int64_t start = step > 0 ? first : first + length - 1;
  std::string list;
  for (int64_t index = 0; index < length; ++index) {
    if (index > 0) list += ", ";
    list += std::to_string(start + step * index);
  }
  const std::string p = std::to_string(start);
  const std::string q = std::to_string(start + step * (length - 1));
  const std::string ask = Alternative(random, In(kAskCount, language));
  const std::string thought =
      Fill(step > 0 ? "I count up from {p} to {q}." : "I count down from {p} to {q}.", {{"p", p}, {"q", q}});
  return Finish(random, language, Fill(ask, {{"p", p}, {"q", q}}), list, AnswerCheck::kExact, list, thought);
}

Draft Neighbour(CorpusRandom& random, Language language) {
  const bool after = random.Chance(0.7);
  const int64_t number = random.Between(1, random.Chance(0.5) ? 30 : 199);
  const std::string x = std::to_string(number);
  const std::string y = std::to_string(after ? number + 1 : number - 1);
  const std::string ask = Alternative(random, In(after ? kAskNext : kAskPrevious, language));
  const std::string thought = Fill(after ? "{x} and one more: {y}" : "{x} and one less: {y}", {{"x", x}, {"y", y}});
  return Finish(random, language, Fill(ask, {{"x", x}}),
                Fill(In(after ? kNext : kPrevious, language), {{"x", x}, {"y", y}}), AnswerCheck::kNumber, y, thought);
}

Draft NumberWord(CorpusRandom& random, Language language) {
  const size_t number = random.Below(NumberWords().size());
  const std::string digits = std::to_string(number);
  const std::string word(In(NumberWords()[number], language));
  const std::string thought = Fill("The word for {x} is {y}.", {{"x", digits}, {"y", word}});
  if (random.Chance(0.6)) {
    const std::string ask = Alternative(random, In(kAskWord, language));
    return Finish(random, language, Fill(ask, {{"x", digits}}), word, AnswerCheck::kExact, word, thought);
  }
  const std::string ask = Alternative(random, In(kAskDigits, language));
  return Finish(random, language, Fill(ask, {{"x", word}}), digits, AnswerCheck::kNumber, digits, thought);
}

Draft Counting(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  switch (random.Below(3)) {
    case 0:
      return CountList(random, language);
    case 1:
      return Neighbour(random, language);
    default:
      return NumberWord(random, language);
  }
}

constexpr Subject kSubjects[] = {
    {"facts.capitals", 28.0, WriteFrom<Capital>},   {"facts.colors", 4.0, WriteFrom<Color>},
    {"facts.opposites", 28.0, WriteFrom<Opposite>}, {"facts.days", 6.0, WriteFrom<DayOrMonth>},
    {"facts.counting", 5.0, WriteFrom<Counting>},
};

}  // namespace

std::span<const Subject> FactSubjects() { return kSubjects; }

}  // namespace fathom
