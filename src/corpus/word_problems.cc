// Small stories about numbers. The thinking names the operation and works it out as arithmetic.cc does.
#include <algorithm>

#include "base/strings.h"
#include "corpus/column_sums.h"
#include "corpus/keys.h"
#include "corpus/phrases.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

// {n} a name, {m} another one, {i} items; {a}, {b}, {c} numbers, {v} the result. Items come with their counter in
// Chinese, are counted with 個 in Japanese, are masculine in Spanish and begin with a consonant in French.
constexpr ByLanguage kItems = {
    "apples|books|pens|cards|balls|coins|eggs|cookies|stamps|shells|marbles|stickers|pencils|oranges|stones",
    "个苹果|本书|支笔|张卡片|个球|枚硬币|个鸡蛋|块饼干|张邮票|颗糖|朵花|个橘子",
    "Äpfel|Bücher|Stifte|Karten|Bälle|Münzen|Eier|Kekse|Steine|Blumen|Bonbons|Murmeln",
    "pommes|livres|stylos|cartes|balles|pièces|gâteaux|timbres|billes|bonbons|fleurs|cailloux",
    "libros|lápices|caramelos|sellos|globos|juguetes|huevos|plátanos|tomates|limones|dulces|cromos",
    "りんご|みかん|ボール|卵|あめ|石|トマト|ケーキ|風船|消しゴム|パン|おにぎり",
};
constexpr ByLanguage kGains = {
    "{n} has {a} {i}. {m} gives {n} {b} more. How many {i} does {n} have now?|"
    "{n} has {a} {i} and buys {b} more. How many {i} does {n} have?|"
    "{n} has {a} {i} and finds {b} more. How many {i} does {n} have now?|"
    "{n} has {a} {i} and {m} has {b} {i}. How many {i} do they have together?|"
    "There are {a} {i} in a box. {n} puts in {b} more. How many {i} are in the box?",
    "{n}有{a}{i}，{m}又给了{n}{b}{i}。{n}现在有多少{i}？|{n}有{a}{i}，又买了{b}{i}。{n}一共有多少{i}？|"
    "{n}有{a}{i}，{m}有{b}{i}。他们一共有多少{i}？",
    "{n} hat {a} {i}. {m} gibt {n} noch {b}. Wie viele {i} hat {n} jetzt?|"
    "{n} hat {a} {i} und kauft noch {b}. Wie viele {i} hat {n}?|"
    "{n} hat {a} {i} und {m} hat {b} {i}. Wie viele {i} haben beide zusammen?",
    "{n} a {a} {i}. {m} lui en donne {b} de plus. Combien de {i} a {n} maintenant ?|"
    "{n} a {a} {i} et en achète encore {b}. Combien de {i} a {n} ?|"
    "{n} a {a} {i} et {m} a {b} {i}. Combien de {i} ont-ils ensemble ?",
    "{n} tiene {a} {i}. {m} le da {b} más. ¿Cuántos {i} tiene {n} ahora?|"
    "{n} tiene {a} {i} y compra {b} más. ¿Cuántos {i} tiene {n}?|"
    "{n} tiene {a} {i} y {m} tiene {b} {i}. ¿Cuántos {i} tienen juntos?",
    "{n}さんは{i}を{a}個持っています。{m}さんが{b}個くれました。{i}は全部で何個ですか？|"
    "{n}さんは{i}を{a}個持っていて、{b}個買いました。{i}は全部で何個ですか？|"
    "{n}さんは{i}を{a}個、{m}さんは{b}個持っています。合わせて何個ですか？",
};
constexpr ByLanguage kLosses = {
    "{n} has {a} {i}. {n} gives {b} to {m}. How many {i} does {n} have left?|"
    "{n} has {a} {i} and loses {b}. How many {i} are left?|"
    "{n} has {a} {i} and gives away {b}. How many {i} does {n} have now?|"
    "There are {a} {i} on the table. {n} takes {b}. How many {i} are left?|"
    "{n} had {a} {i} and sold {b}. How many {i} are left?",
    "{n}有{a}{i}，给了{m}{b}{i}。{n}还剩多少{i}？|{n}有{a}{i}，丢了{b}{i}。还剩多少{i}？|"
    "桌上有{a}{i}，{n}拿走了{b}{i}。还剩多少{i}？",
    "{n} hat {a} {i} und gibt {m} davon {b}. Wie viele {i} hat {n} noch?|"
    "{n} hat {a} {i} und verliert {b}. Wie viele {i} bleiben?|"
    "Auf dem Tisch liegen {a} {i}. {n} nimmt {b} weg. Wie viele {i} bleiben?",
    "{n} a {a} {i} et en donne {b} à {m}. Combien de {i} reste-t-il à {n} ?|"
    "{n} a {a} {i} et en perd {b}. Combien de {i} reste-t-il ?|"
    "Il y a {a} {i} sur la table. {n} en prend {b}. Combien de {i} reste-t-il ?",
    "{n} tiene {a} {i} y le da {b} a {m}. ¿Cuántos {i} le quedan a {n}?|"
    "{n} tiene {a} {i} y pierde {b}. ¿Cuántos {i} le quedan?|"
    "Hay {a} {i} en la mesa. {n} toma {b}. ¿Cuántos {i} quedan?",
    "{n}さんは{i}を{a}個持っています。{m}さんに{b}個あげました。残りは何個ですか？|"
    "{n}さんは{i}を{a}個持っていて、{b}個なくしました。残りは何個ですか？|"
    "机の上に{i}が{a}個あります。{n}さんが{b}個取りました。残りは何個ですか？",
};
constexpr ByLanguage kThrees = {
    "{n} has {a} red, {b} blue and {c} green {i}. How many {i} does {n} have in total?|"
    "In a box are {a} red {i}, {b} white {i} and {c} black {i}. How many {i} are in the box?|"
    "{n} buys {a} {i} on Monday, {b} on Tuesday and {c} on Wednesday. How many {i} is that in total?",
    "{n}上午买了{a}{i}，中午买了{b}{i}，晚上买了{c}{i}。一共买了多少{i}？|"
    "{n}星期一有{a}{i}，星期二又得到{b}{i}，星期三又得到{c}{i}。一共有多少{i}？",
    "{n} hat {a} rote, {b} blaue und {c} grüne {i}. Wie viele {i} sind das zusammen?|"
    "{n} kauft am Montag {a} {i}, am Dienstag {b} und am Mittwoch {c}. Wie viele {i} sind das zusammen?",
    "{n} achète {a} {i} lundi, {b} mardi et {c} mercredi. Combien de {i} cela fait-il en tout ?|"
    "{n} trouve {a} {i} le matin, {b} à midi et {c} le soir. Combien de {i} cela fait-il en tout ?",
    "{n} compra {a} {i} el lunes, {b} el martes y {c} el miércoles. ¿Cuántos {i} son en total?|"
    "{n} tiene {a} {i} rojos, {b} azules y {c} verdes. ¿Cuántos {i} tiene en total?",
    "{n}さんは{i}を月曜日に{a}個、火曜日に{b}個、水曜日に{c}個買いました。全部で何個ですか？|"
    "箱に赤い{i}が{a}個、白い{i}が{b}個、黒い{i}が{c}個あります。全部で何個ですか？",
};
constexpr ByLanguage kCounted = {"That makes {v} {i}.", "是{v}{i}。",   "Es sind {v} {i}.",
                                 "Il y a {v} {i}.",     "Son {v} {i}.", "{v}個です。"};
constexpr ByLanguage kPrices = {
    "The {i} cost {a} dollars each. How much do {b} {i} cost?|The {i} cost {a} dollars each. {n} buys {b}. "
    "How much does {n} pay?|{n} buys {b} {i} for {a} dollars each. How much is that in total?",
    "一{i}{a}元，{b}{i}多少钱？|{n}买了{b}{i}，每{i}{a}元。{n}要付多少钱？",
    "{n} kauft {b} {i} für je {a} Euro. Wie viel kostet das?|{i} kosten je {a} Euro. Wie viel kosten {b} {i}?",
    "{n} achète {b} {i} à {a} euros pièce. Combien paie {n} ?|{b} {i} à {a} euros pièce : combien cela coûte-t-il ?",
    "{n} compra {b} {i} a {a} euros cada uno. ¿Cuánto paga {n}?|{b} {i} a {a} euros cada uno, ¿cuánto cuestan?",
    "1個{a}円の{i}を{b}個買うと、いくらですか？|{n}さんは1個{a}円の{i}を{b}個買いました。全部でいくらですか？",
};
constexpr ByLanguage kPaid = {"It costs {v} dollars.", "一共{v}元。",       "Das kostet {v} Euro.",
                              "Cela coûte {v} euros.", "Cuesta {v} euros.", "{v}円です。"};
constexpr ByLanguage kAgesLater = {
    "{n} is {a} years old. How old will {n} be in {b} years?|{n} is {a}. {m} is {b} years older. How old is {m}?|"
    "{n} is {a} now. What age will {n} be {b} years from now?",
    "{n}今年{a}岁，{b}年后{n}多少岁？|{n}今年{a}岁，{m}比{n}大{b}岁。{m}多少岁？",
    "{n} ist {a} Jahre alt. Wie alt ist {n} in {b} Jahren?|{n} ist {a}. {m} ist {b} Jahre älter. Wie alt ist {m}?",
    "{n} a {a} ans. Quel âge aura {n} dans {b} ans ?|{n} a {a} ans. {m} a {b} ans de plus. Quel âge a {m} ?",
    "{n} tiene {a} años. ¿Cuántos años tendrá {n} en {b} años?|"
    "{n} tiene {a} años. {m} tiene {b} años más. ¿Cuántos años tiene {m}?",
    "{n}さんは{a}歳です。{b}年後は何歳ですか？|{n}さんは{a}歳で、{m}さんは{b}歳年上です。{m}さんは何歳ですか？",
};
constexpr ByLanguage kAgesEarlier = {
    "{n} is {a} years old. How old was {n} {b} years ago?|{n} is {a}. {m} is {b} years younger. How old is {m}?",
    "{n}今年{a}岁，{b}年前{n}多少岁？|{n}今年{a}岁，{m}比{n}小{b}岁。{m}多少岁？",
    "{n} ist {a} Jahre alt. Wie alt war {n} vor {b} Jahren?|{n} ist {a}. {m} ist {b} Jahre jünger. Wie alt ist {m}?",
    "{n} a {a} ans. Quel âge avait {n} il y a {b} ans ?|{n} a {a} ans. {m} a {b} ans de moins. Quel âge a {m} ?",
    "{n} tiene {a} años. ¿Cuántos años tenía {n} hace {b} años?|"
    "{n} tiene {a} años. {m} tiene {b} años menos. ¿Cuántos años tiene {m}?",
    "{n}さんは{a}歳です。{b}年前は何歳でしたか？|{n}さんは{a}歳で、{m}さんは{b}歳年下です。{m}さんは何歳ですか？",
};
constexpr ByLanguage kAged = {"The age is {v}.",    "{v}岁。",         "Das Alter ist {v}.",
                              "L'âge est {v} ans.", "La edad es {v}.", "{v}歳です。"};
constexpr ByLanguage kSpeeds = {
    "A {t} goes {a} km per hour. How far does it go in {b} hours?|"
    "{n} travels {a} km each hour. How many km is that in {b} hours?|A {t} goes {a} km/h for {b} hours. How far is "
    "that?",
    "一辆{t}每小时走{a}公里，{b}小时走多少公里？|{t}的速度是每小时{a}公里，{b}小时能走多远？",
    "Ein {t} fährt {a} km in der Stunde. Wie weit kommt er in {b} Stunden?|"
    "{n} fährt {a} km pro Stunde. Wie weit ist das in {b} Stunden?",
    "Un {t} roule à {a} km par heure. Quelle distance fait-il en {b} heures ?|"
    "{n} fait {a} km par heure. Combien de km en {b} heures ?",
    "Un {t} va a {a} km por hora. ¿Qué distancia recorre en {b} horas?|"
    "{n} recorre {a} km por hora. ¿Cuántos km recorre en {b} horas?",
    "{t}は1時間に{a}キロ進みます。{b}時間で何キロ進みますか？|時速{a}キロの{t}は{b}時間で何キロ進みますか？",
};
constexpr ByLanguage kVehicles = {"car|bus|truck|bike|train",        "汽车|公共汽车|卡车|摩托车|自行车",
                                  "Bus|Zug|Wagen|Lastwagen|Traktor", "bus|train|camion|vélo|car",
                                  "coche|tren|camión|autobús|taxi",  "車|バス|電車|トラック|自転車"};
constexpr ByLanguage kTravelled = {"It is {v} km.", "是{v}公里。", "Es sind {v} km.",
                                   "C'est {v} km.", "Son {v} km.", "{v}キロです。"};
constexpr ByLanguage kShares = {
    "{b} children share {a} {i} equally. How many does each child get?|"
    "{n} has {a} {i} and puts them equally into {b} boxes. How many {i} are in each box?|"
    "{n} shares {a} {i} equally among {b} friends. How many does each one get?",
    "{b}个孩子平分{a}{i}，每人得到多少{i}？|{n}把{a}{i}平均放进{b}个盒子，每个盒子有多少{i}？",
    "{b} Kinder teilen {a} {i} gleichmäßig auf. Wie viele bekommt jedes Kind?|"
    "{n} legt {a} {i} gleichmäßig in {b} Kisten. Wie viele {i} sind in jeder Kiste?",
    "{b} enfants se partagent {a} {i} également. Combien chacun en reçoit-il ?|"
    "{n} range {a} {i} également dans {b} boîtes. Combien de {i} y a-t-il par boîte ?",
    "{b} niños se reparten {a} {i} por igual. ¿Cuántos recibe cada uno?|"
    "{n} pone {a} {i} por igual en {b} cajas. ¿Cuántos {i} hay en cada caja?",
    "{a}個の{i}を{b}人で同じ数ずつ分けます。1人何個ですか？|"
    "{n}さんは{a}個の{i}を{b}つの箱に同じ数ずつ入れます。1箱に何個ですか？",
};
constexpr ByLanguage kShared = {"Each gets {v}.",        "每份{v}{i}。",           "Es sind je {v}.",
                                "Cela fait {v} chacun.", "Son {v} para cada uno.", "1つ分は{v}個です。"};

// The numbers of a story, what they make and how that is worked out.
struct Numbers {
  int64_t a = 0;
  int64_t b = 0;
  int64_t c = 0;  // only in stories of three
  int64_t result = 0;
  std::string key;
  std::string thought;
};

Draft Tell(CorpusRandom& random, const ByLanguage& stories, const ByLanguage& answers, const Numbers& numbers,
           bool is_table) {
  const Language language = PickLanguage(random);
  const std::string name = PersonName(random, language);
  std::string other = PersonName(random, language);
  while (other == name) other = PersonName(random, language);
  const std::string items = Alternative(random, In(kItems, language));
  const std::string vehicle = Alternative(random, In(kVehicles, language));
  const std::string story = Alternative(random, In(stories, language));
  const std::string a = StrCat(numbers.a);
  const std::string b = StrCat(numbers.b);
  const std::string c = StrCat(numbers.c);
  const std::string v = StrCat(numbers.result);
  const auto fill = [&](std::string_view pattern) {
    return Fill(pattern,
                {{"n", name}, {"m", other}, {"i", items}, {"t", vehicle}, {"a", a}, {"b", b}, {"c", c}, {"v", v}});
  };
  Draft draft;
  draft.key = StrCat(numbers.key, is_table ? StrCat(":", story) : "");
  draft.dialogue = QuestionAndAnswer(language, fill(story), fill(In(answers, language)));
  draft.dialogue.check = AnswerCheck::kNumber;
  draft.dialogue.expected = v;
  MaybeThink(random, 0.5, numbers.thought, &draft.dialogue);
  if (draft.dialogue.effort == "max") {
    draft.dialogue.messages.back().reasoning_content += StrCat("\nCheck: ", numbers.thought);
  }
  MaybeSystem(random, 0.1, language, &draft.dialogue);
  return draft;
}

// Keys are those of arithmetic.cc, so that a pair held out there is held out here, too.
Numbers SumOf(int64_t a, int64_t b) {
  return {a, b, 0, a + b, StrCat("add:", std::min(a, b), ":", std::max(a, b)), ThinkSum(a, b)};
}

Numbers DifferenceOf(int64_t a, int64_t b) {
  return {a, b, 0, a - b, StrCat("sub:", a, ":", b), ThinkDifference(a, b)};
}

Numbers ProductOf(int64_t a, int64_t b) {
  return {a, b, 0, a * b, StrCat("mul:", std::min(a, b), ":", std::max(a, b)), ThinkProduct(a, b)};
}

// Mostly two digits.
int64_t DrawAmount(CorpusRandom& random) {
  if (random.Chance(0.3)) return random.Between(2, 9);
  return random.Chance(0.85) ? random.Between(10, 99) : random.Between(100, 299);
}

Draft Gain(CorpusRandom& random) {
  const int64_t a = DrawAmount(random);
  const int64_t b = DrawAmount(random);
  return Tell(random, kGains, kCounted, SumOf(a, b), a < 10 && b < 10);
}

Draft Loss(CorpusRandom& random) {
  int64_t a = DrawAmount(random);
  int64_t b = DrawAmount(random);
  if (a < b) std::swap(a, b);
  if (a - b < 2) a += 2;  // the answers' nouns are plural
  return Tell(random, kLosses, kCounted, DifferenceOf(a, b), a < 10);
}

Draft Three(CorpusRandom& random) {
  int64_t a;
  int64_t b;
  int64_t c;
  do {
    a = random.Between(2, 60);
    b = random.Between(2, 60);
    c = random.Between(2, 40);
  } while (IsHeldOutPair("+", a, b) || IsHeldOutPair("+", a + b, c));
  Numbers numbers{a, b, c, a + b + c, StrCat("three:", a, ":", b, ":", c), ""};
  numbers.thought = StrCat(ThinkSum(a, b), "\n", ThinkSum(a + b, c));
  return Tell(random, kThrees, kCounted, numbers, /*is_table=*/false);
}

Draft Price(CorpusRandom& random) {
  const int64_t a = random.Chance(0.5) ? random.Between(2, 9) : random.Between(10, 60);
  const int64_t b = random.Between(2, 9);
  return Tell(random, kPrices, kPaid, ProductOf(a, b), a < 13);
}

Draft Age(CorpusRandom& random) {
  const int64_t a = random.Between(8, 60);
  if (random.Chance(0.6)) {
    const int64_t b = random.Between(2, 35);
    return Tell(random, kAgesLater, kAged, SumOf(a, b), a < 10 && b < 10);
  }
  const int64_t b = random.Between(2, a - 3);
  return Tell(random, kAgesEarlier, kAged, DifferenceOf(a, b), a < 10);
}

Draft Distance(CorpusRandom& random) {
  const int64_t a = random.Chance(0.5) ? random.Between(2, 9) * 10 : random.Between(10, 99);
  const int64_t b = random.Between(2, 9);
  return Tell(random, kSpeeds, kTravelled, ProductOf(a, b), a < 13);
}

Draft Share(CorpusRandom& random) {
  const int64_t each = random.Between(2, 12);
  const int64_t b = random.Between(2, 10);
  Numbers numbers{each * b, b, 0, each, StrCat("div:", each * b, ":", b), StrCat(b, "×", each, "=", each * b)};
  return Tell(random, kShares, kShared, numbers, /*is_table=*/true);
}

constexpr Subject kSubjects[] = {
    {"word_problem.gain", 1.6, WriteFrom<Gain>},   {"word_problem.loss", 1.6, WriteFrom<Loss>},
    {"word_problem.three", 0.7, WriteFrom<Three>}, {"word_problem.price", 1.0, WriteFrom<Price>},
    {"word_problem.age", 0.9, WriteFrom<Age>},     {"word_problem.distance", 0.6, WriteFrom<Distance>},
    {"word_problem.share", 0.6, WriteFrom<Share>},
};

}  // namespace

std::span<const Subject> WordProblemSubjects() { return kSubjects; }

}  // namespace fathom
