// Answers in JSON for a schema that the system message's response format gives.
#include <algorithm>

#include "base/strings.h"
#include "corpus/phrases.h"
#include "corpus/subjects.h"
#include "tokenizer/python_json.h"

namespace fathom {
namespace {

struct Property {
  std::string name;
  std::string_view type;
  Json value;
};

std::string_view Pronoun(CorpusRandom& random) { return random.Chance(0.5) ? "He" : "She"; }

// The schema, the sentence's question and the answer; `properties` in any order.
Draft Answer(CorpusRandom& random, Language language, const std::string& sentence, std::vector<Property> properties) {
  constexpr ByLanguage kSystem = {
      "Answer in JSON.|Extract the data as JSON.||You write JSON.|Fill the schema.|Reply with JSON only.",
      "请用JSON回答。|把数据写成JSON。|",
      "Antworte in JSON.|Schreibe die Daten als JSON.|",
      "Réponds en JSON.|",
      "Responde en JSON.|",
      "JSONで答えてください。|"};
  random.Shuffle(properties);
  // Now and then fewer properties than the sentence tells.
  if (properties.size() > 1 && random.Chance(0.3)) properties.pop_back();
  Json schema_properties = Json::Object();
  Json required = Json::Array();
  Json answer = Json::Object();
  for (const Property& property : properties) {
    Json type = Json::Object({{"type", Json::String(std::string(property.type))}});
    if (property.type == "array") type.Set("items", Json::Object({{"type", Json::String("string")}}));
    schema_properties.Set(property.name, std::move(type));
    required.items().push_back(Json::String(property.name));
    answer.Set(property.name, property.value);
  }
  Json schema = Json::Object({{"type", Json::String("object")}, {"properties", std::move(schema_properties)}});
  if (random.Chance(0.5)) schema.Set("required", std::move(required));
  Draft draft;
  draft.key = sentence;
  const std::string text = DumpPythonJson(answer);
  draft.dialogue = QuestionAndAnswer(language, sentence, text);
  ChatMessage system = SystemMessage(Alternative(random, In(kSystem, language)));
  system.response_format = std::move(schema);
  draft.dialogue.messages.insert(draft.dialogue.messages.begin(), std::move(system));
  draft.dialogue.check = AnswerCheck::kJson;
  draft.dialogue.expected = text;
  std::string names;
  for (const Property& property : properties) names += StrCat(names.empty() ? "" : ", ", property.name);
  MaybeThink(random, 0.35, StrCat("The schema wants ", names, "."), &draft.dialogue);
  return draft;
}

std::string Named(CorpusRandom& random, std::string_view names) { return Alternative(random, names); }

Draft Person(CorpusRandom& random) {
  constexpr ByLanguage kSentences = {
      "{p} is {n} and lives in {c}.|{p} is {n} years old and lives in {c}.|{p} from {c} is {n}.|"
      "My friend {p} lives in {c}. {s} is {n}.|In {c} lives {p}, {n} years old.|{p}, {n}, {c}",
      "{p}今年{n}岁，住在{c}。|{p}住在{c}，{n}岁。",
      "{p} ist {n} Jahre alt und wohnt in {c}.|{p} aus {c} ist {n}.",
      "{p} a {n} ans et habite à {c}.",
      "{p} tiene {n} años y vive en {c}.",
      "{p}さんは{n}歳で、{c}に住んでいます。"};
  const Language language = PickLanguage(random);
  const std::string name = PersonName(random, language);
  const std::string city = CityName(random, language);
  const int64_t age = random.Between(5, 95);
  const std::string pattern = Alternative(random, In(kSentences, language));
  const std::string sentence = Fill(pattern, {{"p", name}, {"n", StrCat(age)}, {"c", city}, {"s", Pronoun(random)}});
  std::vector<Property> properties;
  properties.push_back({Named(random, "name|name|person|first_name|who"), "string", Json::String(name)});
  properties.push_back({Named(random, "age|age|years|years_old"), "integer", Json::Int(age)});
  properties.push_back({Named(random, "city|city|town|home|place"), "string", Json::String(city)});
  return Answer(random, language, sentence, std::move(properties));
}

constexpr ByLanguage kProducts = {
    "lamp|chair|table|phone|book|cup|clock|bag|shoe|bike|radio|hat|pen|coat|knife|mirror|bottle|camera",
    "台灯|椅子|桌子|手机|杯子|钟|背包|自行车|帽子|镜子",
    "Lampe|Uhr|Tasche|Tasse|Brille|Kamera|Flasche|Jacke",
    "lampe|chaise|table|montre|tasse|caméra|bouteille|veste",
    "lámpara|silla|mesa|taza|cámara|botella|chaqueta|gorra",
    "ランプ|椅子|机|時計|かばん|カメラ|帽子|鏡"};

Draft Product(CorpusRandom& random) {
  constexpr ByLanguage kInStock = {
      "The {p} costs {n} dollars and is in stock.|We have the {p} in stock for {n} dollars.|{p}: {n} dollars, in stock",
      "{p}{n}元，有货。|{p}有货，价格{n}元。",
      "Die {p} kostet {n} Euro und ist da.",
      "Article : {p}, {n} euros, en stock.",
      "Artículo: {p}, {n} euros, disponible.",
      "{p}は{n}円で、在庫があります。"};
  constexpr ByLanguage kSoldOut = {
      "The {p} costs {n} dollars and is sold out.|The {p} for {n} dollars is not in stock.|{p}: {n} dollars, sold out",
      "{p}{n}元，没货。|{p}没货，价格{n}元。",
      "Die {p} kostet {n} Euro und ist ausverkauft.",
      "Article : {p}, {n} euros, épuisé.",
      "Artículo: {p}, {n} euros, agotado.",
      "{p}は{n}円で、在庫がありません。"};
  const Language language = PickLanguage(random);
  const std::string product = Alternative(random, In(kProducts, language));
  const bool cents = random.Chance(0.3) && language != Language::kJa;
  std::string price = StrCat(random.Between(1, 999));
  if (cents) price += StrCat(".", random.Between(1, 9));
  const bool in_stock = random.Chance(0.5);
  const std::string sentence =
      Fill(Alternative(random, In(in_stock ? kInStock : kSoldOut, language)), {{"p", product}, {"n", price}});
  std::vector<Property> properties;
  properties.push_back({Named(random, "product|item|article|name"), "string", Json::String(product)});
  properties.push_back({Named(random, "price|price|cost"), "number", Json::Number(price)});
  properties.push_back({Named(random, "in_stock|available|stock"), "boolean", Json::Bool(in_stock)});
  return Answer(random, language, sentence, std::move(properties));
}

// A book, film or song with a made-up or put together title.
Draft Work(CorpusRandom& random) {
  constexpr ByLanguage kTitles = {"The {a} {b}", "{a}的{b}", "{b} und {a}", "{b} et {a}", "{b} y {a}", "{a}と{b}"};
  constexpr ByLanguage kFirst = {"Red|Blue|Old|Last|Silent|Golden|Lost|Dark|Little|Green|White|Long",
                                 "红色|最后|金色|安静|遥远|古老",
                                 "Sonne|Mond|Feuer|Meer|Nacht",
                                 "Soleil|Lune|Feu|Mer|Nuit",
                                 "Sol|Luna|Fuego|Mar|Noche",
                                 "太陽|月|火|海|夜"};
  constexpr ByLanguage kSecond = {"House|River|Garden|King|Star|Forest|Road|Bird|Door|Summer|Island|Letter",
                                  "房子|河流|花园|星星|森林|夏天",
                                  "Wald|Stern|Haus|Wind|Fluss",
                                  "Forêt|Étoile|Maison|Vent|Jardin",
                                  "Bosque|Estrella|Casa|Viento|Jardín",
                                  "森|星|家|風|川"};
  constexpr ByLanguage kSentences = {
      "'{t}' is a {k} by {p} from {y}.|{p} made the {k} '{t}' in {y}.|The {k} '{t}' by {p} came out in {y}.",
      "《{t}》是{p}{y}年的{k}。|{p}在{y}年完成了{k}《{t}》。",
      "'{t}' ({k}) ist von {p} aus dem Jahr {y}.",
      "« {t} » ({k}) est de {p}, {y}.",
      "«{t}» ({k}) es de {p}, {y}.",
      "『{t}』は{p}の{y}年の{k}です。"};
  constexpr ByLanguage kKinds = {"book|film|song|play", "书|电影|歌曲",           "Buch|Film|Lied",
                                 "livre|film|chanson",  "libro|película|canción", "本|映画|歌"};
  const Language language = PickLanguage(random);
  const std::string title = Fill(In(kTitles, language), {{"a", Alternative(random, In(kFirst, language))},
                                                         {"b", Alternative(random, In(kSecond, language))}});
  const std::string person = PersonName(random, language);
  const std::string kind = Alternative(random, In(kKinds, language));
  const int64_t year = random.Between(1900, 2029);
  const std::string sentence = Fill(Alternative(random, In(kSentences, language)),
                                    {{"t", title}, {"p", person}, {"k", kind}, {"y", StrCat(year)}});
  std::vector<Property> properties;
  properties.push_back({"title", "string", Json::String(title)});
  properties.push_back({"year", "integer", Json::Int(year)});
  properties.push_back({Named(random, "author|by|artist|maker"), "string", Json::String(person)});
  properties.push_back({Named(random, "kind|type|category"), "string", Json::String(kind)});
  return Answer(random, language, sentence, std::move(properties));
}

// A person and a list of things.
Draft Tags(CorpusRandom& random) {
  constexpr ByLanguage kSentences = {"{p} buys {l}.|{p} likes {l}.|{p} needs {l}.|{p}: {l}",
                                     "{p}买了{l}。|{p}喜欢{l}。",
                                     "{p} kauft {l}.|{p} braucht {l}.",
                                     "{p} achète : {l}.",
                                     "{p} compra {l}.",
                                     "{p}さんは{l}を買います。"};
  constexpr ByLanguage kThings = {
      "milk|bread|eggs|tea|rice|salt|apples|cheese|soap|paper|books|pens|flowers|shoes|music|fish|tennis|chess",
      "牛奶|面包|鸡蛋|茶|米|苹果|书|花|音乐|鱼",
      "Milch|Brot|Eier|Tee|Reis|Salz|Käse|Bücher|Blumen|Fisch",
      "lait|pain|œufs|thé|riz|sel|fromage|livres|fleurs|savon",
      "leche|pan|huevos|té|arroz|sal|queso|libros|flores|jabón",
      "牛乳|パン|卵|お茶|米|塩|りんご|本|花|魚"};
  constexpr ByLanguage kAnd = {" and ", "和", " und ", " et ", " y ", "と"};
  const Language language = PickLanguage(random);
  const std::string person = PersonName(random, language);
  const size_t count = 2 + random.Below(3);
  std::vector<std::string> things;
  while (things.size() < count) {
    std::string thing = Alternative(random, In(kThings, language));
    if (std::find(things.begin(), things.end(), thing) == things.end()) things.push_back(std::move(thing));
  }
  std::string list;
  Json values = Json::Array();
  for (size_t place = 0; place < count; ++place) {
    if (place > 0) list += place + 1 == count ? In(kAnd, language) : IsCjk(language) ? "、" : ", ";
    list += things[place];
    values.items().push_back(Json::String(things[place]));
  }
  const std::string sentence = Fill(Alternative(random, In(kSentences, language)), {{"p", person}, {"l", list}});
  std::vector<Property> properties;
  properties.push_back({Named(random, "name|person|who"), "string", Json::String(person)});
  properties.push_back({Named(random, "tags|items|things|list"), "array", std::move(values)});
  if (random.Chance(0.3)) {
    properties.push_back({Named(random, "count|number"), "integer", Json::Int(static_cast<int64_t>(count))});
  }
  return Answer(random, language, sentence, std::move(properties));
}

Draft Meeting(CorpusRandom& random) {
  constexpr ByLanguage kSentences = {
      "Meet {p} on {d} at {h} in {c}.|{p} comes on {d} at {h} to {c}.|Meeting with {p}, {d}, {h}, {c}",
      "{d}{h}在{c}和{p}见面。",
      "Treffen mit {p} am {d} um {h} in {c}.",
      "Rendez-vous avec {p} {d} à {h} à {c}.",
      "Cita con {p} el {d} a las {h} en {c}.",
      "{d}{h}に{c}で{p}さんと会います。"};
  constexpr ByLanguage kDays = {"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
                                "星期一|星期二|星期三|星期四|星期五",
                                "Montag|Dienstag|Mittwoch|Donnerstag|Freitag",
                                "lundi|mardi|mercredi|jeudi|vendredi",
                                "lunes|martes|miércoles|jueves|viernes",
                                "月曜日|火曜日|水曜日|木曜日|金曜日"};
  const Language language = PickLanguage(random);
  const std::string person = PersonName(random, language);
  const std::string day = Alternative(random, In(kDays, language));
  const std::string_view minutes = random.Chance(0.5) ? ":00" : ":30";
  const std::string hour = StrCat(random.Between(7, 21), minutes);
  const std::string city = CityName(random, language);
  const std::string sentence =
      Fill(Alternative(random, In(kSentences, language)), {{"p", person}, {"d", day}, {"h", hour}, {"c", city}});
  std::vector<Property> properties;
  properties.push_back({Named(random, "person|with|guest|name"), "string", Json::String(person)});
  properties.push_back({Named(random, "day|date|weekday"), "string", Json::String(day)});
  properties.push_back({Named(random, "time|hour|at"), "string", Json::String(hour)});
  if (random.Chance(0.5)) properties.push_back({Named(random, "city|place|where"), "string", Json::String(city)});
  return Answer(random, language, sentence, std::move(properties));
}

constexpr Subject kSubjects[] = {
    {"json_answers.person", 1.2, WriteFrom<Person>},   {"json_answers.product", 1.0, WriteFrom<Product>},
    {"json_answers.work", 0.6, WriteFrom<Work>},       {"json_answers.tags", 0.6, WriteFrom<Tags>},
    {"json_answers.meeting", 0.6, WriteFrom<Meeting>},
};

}  // namespace

std::span<const Subject> JsonSubjects() { return kSubjects; }

}  // namespace fathom
