#include "corpus/tool_tasks.h"

#include "base/strings.h"
#include "corpus/keys.h"
#include "tokenizer/python_json.h"

namespace fathom {
namespace {

struct Parameter {
  std::string name;
  std::string_view type;
  std::string_view description;
};

Json MakeTool(CorpusRandom& random, const std::string& name, std::string_view description,
              const std::vector<Parameter>& parameters) {
  const bool described = random.Chance(0.2);
  Json properties = Json::Object();
  Json required = Json::Array();
  for (const Parameter& parameter : parameters) {
    Json schema = Json::Object({{"type", Json::String(std::string(parameter.type))}});
    if (described) schema.Set("description", Json::String(std::string(parameter.description)));
    properties.Set(parameter.name, std::move(schema));
    required.items().push_back(Json::String(parameter.name));
  }
  return Json::Object({{"name", Json::String(name)},
                       {"description", Json::String(std::string(description))},
                       {"parameters", Json::Object({{"type", Json::String("object")},
                                                    {"properties", std::move(properties)},
                                                    {"required", std::move(required)}})}});
}

// One of the usual names, sometimes with a word of its own that only the schema tells.
std::string ToolName(CorpusRandom& random, std::string_view usual) {
  std::string name = Alternative(random, usual);
  if (random.Chance(0.2)) name += "_" + Lower(MadeUpName(random));
  return name;
}

std::string ParameterName(CorpusRandom& random, std::string_view usual) {
  return random.Chance(0.1) ? Lower(MadeUpName(random)) : Alternative(random, usual);
}

Json StringArgument(const std::string& name, const std::string& value) {
  return Json::Object({{name, Json::String(value)}});
}

constexpr ByLanguage kSkies = {"sunny|cloudy|rainy|windy|foggy|snowy",    "晴|多云|有雨|有风|有雾|有雪",
                               "sonnig|bewölkt|regnerisch|windig|neblig", "ensoleillé|nuageux|pluvieux|venteux",
                               "soleado|nublado|lluvioso|ventoso",        "晴れ|曇り|雨|風|霧|雪"};

ToolTask Weather(CorpusRandom& random, Language language) {
  constexpr ByLanguage kOne = {
      "What is the weather in {a}?|How is the weather in {a}?|Weather in {a}?|Is it warm in {a}?|weather for {a} "
      "please|"
      "What is the weather like in {a} today?|Do I need a coat in {a}?",
      "{a}的天气怎么样？|{a}今天天气如何？|查一下{a}的天气",
      "Wie ist das Wetter in {a}?|Wetter in {a}?|Wie warm ist es in {a}?",
      "Quel temps fait-il à {a} ?|Météo à {a} ?",
      "¿Qué tiempo hace en {a}?|¿Cómo está el tiempo en {a}?",
      "{a}の天気は？|{a}の天気はどうですか？"};
  constexpr ByLanguage kTwo = {
      "What is the weather in {a} and {b}?|Compare the weather in {a} and {b}.|Weather in {a} and in {b}?",
      "{a}和{b}的天气怎么样？",
      "Wie ist das Wetter in {a} und {b}?",
      "Quel temps fait-il à {a} et à {b} ?",
      "¿Qué tiempo hace en {a} y en {b}?",
      "{a}と{b}の天気は？"};
  constexpr ByLanguage kAnswer = {"In {a} it is {t} degrees and {s}.", "{a}{t}度，{s}。",
                                  "In {a} sind es {t} Grad, {s}.",     "À {a} : {t} degrés, {s}.",
                                  "En {a}: {t} grados, {s}.",          "{a}は{t}度、{s}です。"};
  ToolTask task;
  task.topic = "weather";
  task.name = ToolName(random, "get_weather|weather|current_weather|fetch_weather");
  const std::string parameter = ParameterName(random, "city|location|place|town");
  task.tool = MakeTool(random, task.name, "Weather of a city", {{parameter, "string", "Name of the city"}});
  const size_t cities = random.Chance(0.25) ? 2 : 1;
  std::vector<std::string> names;
  while (names.size() < cities) {
    std::string name = random.Chance(0.2) && !IsCjk(language) ? MadeUpName(random) : CityName(random, language);
    if (names.empty() || names[0] != name) names.push_back(std::move(name));
  }
  for (const std::string& city : names) {
    const std::string degrees = StrCat(random.Between(-9, 38));
    const std::string sky = Alternative(random, In(kSkies, language));
    task.calls.push_back(StringArgument(parameter, city));
    task.results.push_back(Fill(R"({"temperature": {t}, "sky": "{s}"})", {{"t", degrees}, {"s", sky}}));
    if (!task.answer.empty() && !IsCjk(language)) task.answer += ' ';
    task.answer += Fill(In(kAnswer, language), {{"a", city}, {"t", degrees}, {"s", sky}});
  }
  task.sign = task.answer;
  task.wish =
      Fill(Alternative(random, In(cities == 2 ? kTwo : kOne, language)), {{"a", names[0]}, {"b", names.back()}});
  task.purpose = cities == 2 ? StrCat("I need the weather in ", names[0], " and ", names[1])
                             : StrCat("I need the weather in ", names[0]);
  return task;
}

ToolTask Time(CorpusRandom& random, Language language) {
  constexpr ByLanguage kAsk = {
      "What time is it in {a}?|Time in {a}?|Tell me the time in {a}.|How late is it in {a}?|current time in {a}",
      "{a}现在几点？|{a}现在是几点钟？",
      "Wie spät ist es in {a}?|Uhrzeit in {a}?",
      "Quelle heure est-il à {a} ?",
      "¿Qué hora es en {a}?",
      "{a}は今何時ですか？"};
  constexpr ByLanguage kAnswer = {"It is {t} in {a}.",  "{a}现在是{t}。",      "In {a} ist es {t} Uhr.",
                                  "À {a}, il est {t}.", "En {a} son las {t}.", "{a}は今{t}です。"};
  ToolTask task;
  task.topic = "time";
  task.name = ToolName(random, "get_time|time|world_clock|current_time");
  const std::string parameter = ParameterName(random, "city|timezone|place|zone");
  task.tool = MakeTool(random, task.name, "Time in a city", {{parameter, "string", "Name of the city"}});
  const std::string city = CityName(random, language);
  const int minute = static_cast<int>(random.Below(24 * 60));
  const std::string time = StrFormat("%02d:%02d", minute / 60, minute % 60);
  task.wish = Fill(Alternative(random, In(kAsk, language)), {{"a", city}});
  task.calls = {StringArgument(parameter, city)};
  task.results = {time};
  task.purpose = StrCat("I need the time in ", city);
  task.answer = Fill(In(kAnswer, language), {{"a", city}, {"t", time}});
  task.sign = time;
  return task;
}

ToolTask Calculator(CorpusRandom& random, Language language) {
  constexpr ByLanguage kAsk = {"What is {e}?|Calculate {e}.|Compute {e}|{e}?|How much is {e}?|Use the calculator: {e}",
                               "{e}等于多少？|计算{e}",
                               "Was ist {e}?|Berechne {e}.",
                               "Combien font {e} ?|Calcule {e}.",
                               "¿Cuánto es {e}?|Calcula {e}.",
                               "{e}はいくつですか？|{e}を計算してください"};
  ToolTask task;
  task.topic = "sums";
  task.name = ToolName(random, "calculator|calculate|calc|evaluate");
  const std::string parameter = ParameterName(random, "expression|formula|input|term");
  task.tool = MakeTool(random, task.name, "Calculate an expression", {{parameter, "string", "What to calculate"}});
  const std::string sign = Alternative(random, "+|-|*");
  int64_t left;
  int64_t right;
  do {
    left = random.Chance(0.4) ? random.Between(2, 99) : random.Between(100, 9999);
    right = random.Between(2, random.Chance(0.5) ? 99 : 999);
  } while (IsHeldOutPair(sign, left, right));
  const int64_t value = sign == "+" ? left + right : sign == "-" ? left - right : left * right;
  const std::string expression = StrCat(left, " ", sign, " ", right);
  task.wish = Fill(Alternative(random, In(kAsk, language)), {{"e", expression}});
  task.calls = {StringArgument(parameter, expression)};
  task.results = {StrCat(value)};
  task.purpose = StrCat("I need the value of ", expression);
  task.answer = StrCat(expression, " = ", value);
  task.sign = task.answer;
  return task;
}

ToolTask Search(CorpusRandom& random, Language language) {
  constexpr ByLanguage kTopics = {
      "the city museum|the {c} zoo|the {c} library|bus 17|the river in {c}|the mayor of {c}|the {c} market|"
      "the tower of {c}|the {c} opera|the band {p}|the book {p}",
      "{c}博物馆|{c}动物园|{c}图书馆|{c}市长|{c}大桥",
      "Museum {c}|Zoo {c}|Rathaus {c}|Bahnhof {c}|Oper {c}",
      "musée de {c}|zoo de {c}|gare de {c}|opéra de {c}",
      "museo de {c}|zoo de {c}|estación de {c}|ópera de {c}",
      "{c}の博物館|{c}の動物園|{c}の図書館|{c}駅"};
  constexpr ByLanguage kAsk = {
      "Search for {q}.|Look up {q}.|Find something about {q}.|What can you find about {q}?|"
      "search {q}|Please search the web for {q}.",
      "搜索{q}|请查一下{q}",
      "Suche nach: {q}|Suche bitte: {q}",
      "Cherche : {q}|Recherche : {q}",
      "Busca: {q}|Busca información: {q}",
      "{q}を検索してください|{q}について調べてください"};
  constexpr ByLanguage kFound = {
      "Opened in {y}.|Closed until {y}.|It has {n} rooms.|It opens at {h}:00.|{n} people work there.|Founded by {p} in "
      "{y}.",
      "建于{y}年。|有{n}个房间。|{p}创建于{y}年。",
      "Eröffnet {y}.|Es hat {n} Räume.|Gegründet {y} von {p}.",
      "Ouvert en {y}.|Il y a {n} salles.|Fondé par {p} en {y}.",
      "Abierto en {y}.|Tiene {n} salas.|Fundado por {p} en {y}.",
      "{y}年に開館。|部屋は{n}あります。|{y}年に{p}が設立。"};
  constexpr ByLanguage kAnswer = {"I found this: {r}", "我找到：{r}",        "Gefunden: {r}",
                                  "J'ai trouvé : {r}", "He encontrado: {r}", "見つかりました：{r}"};
  ToolTask task;
  task.topic = "search";
  task.name = ToolName(random, "search|web_search|find|search_web");
  const std::string parameter = ParameterName(random, "query|q|text|keywords");
  task.tool = MakeTool(random, task.name, "Search the web", {{parameter, "string", "What to search for"}});
  const std::string topic_pattern = Alternative(random, In(kTopics, language));
  const std::string topic =
      Fill(topic_pattern, {{"c", CityName(random, language)}, {"p", PersonName(random, language)}});
  const std::string found_pattern = Alternative(random, In(kFound, language));
  const std::string found = Fill(found_pattern, {{"y", StrCat(random.Between(1800, 2030))},
                                                 {"n", StrCat(random.Between(2, 99))},
                                                 {"h", StrCat(random.Between(6, 12))},
                                                 {"p", PersonName(random, language)}});
  task.wish = Fill(Alternative(random, In(kAsk, language)), {{"q", topic}});
  task.calls = {StringArgument(parameter, topic)};
  task.results = {found};
  task.purpose = StrCat("I search for ", topic);
  task.answer = Fill(In(kAnswer, language), {{"r", found}});
  task.sign = found;
  return task;
}

ToolTask Currency(CorpusRandom& random, Language language) {
  constexpr std::string_view kCodes = "USD|EUR|JPY|GBP|CHF|CNY|CAD|AUD|SEK|MXN|INR|BRL";
  constexpr ByLanguage kAsk = {
      "Convert {n} {a} to {b}.|How much is {n} {a} in {b}?|What are {n} {a} in {b}?|{n} {a} in {b}?",
      "把{n} {a}换成{b}|{n} {a}等于多少{b}？",
      "Rechne {n} {a} in {b} um.|Wie viel sind {n} {a} in {b}?",
      "Convertis {n} {a} en {b}.|Combien font {n} {a} en {b} ?",
      "Convierte {n} {a} a {b}.|¿Cuánto son {n} {a} en {b}?",
      "{n} {a}を{b}に換算してください|{n} {a}は{b}でいくらですか？"};
  ToolTask task;
  task.topic = "money";
  task.name = ToolName(random, "convert_currency|convert|exchange|currency");
  const std::string amount_name = ParameterName(random, "amount|value|sum");
  const std::string from_name = random.Chance(0.7) ? "from" : "source";
  const std::string to_name = random.Chance(0.7) ? "to" : "target";
  task.tool = MakeTool(
      random, task.name, "Convert money",
      {{amount_name, "number", "How much"}, {from_name, "string", "Currency"}, {to_name, "string", "New currency"}});
  const int64_t amount = random.Between(1, 999);
  const std::string from = Alternative(random, kCodes);
  std::string to = from;
  while (to == from) to = Alternative(random, kCodes);
  const std::string whole = StrCat(random.Between(1, 9999));
  const std::string result = StrCat(whole, ".", random.Between(1, 9));
  task.wish = Fill(Alternative(random, In(kAsk, language)), {{"n", StrCat(amount)}, {"a", from}, {"b", to}});
  task.calls = {
      Json::Object({{amount_name, Json::Int(amount)}, {from_name, Json::String(from)}, {to_name, Json::String(to)}})};
  task.results = {result};
  task.purpose = StrCat("I convert ", amount, " ", from, " to ", to);
  task.answer = StrCat(amount, " ", from, " = ", result, " ", to);
  task.sign = task.answer;
  return task;
}

ToolTask ReadFile(CorpusRandom& random, Language language) {
  constexpr std::string_view kFolders = "|src/|docs/|data/|/tmp/|/etc/|config/|home/|notes/";
  constexpr std::string_view kNames = "notes|main|config|readme|todo|list|users|port|test|log|names|plan";
  constexpr std::string_view kEndings = ".txt|.md|.c|.py|.json|.ini|.log|.csv";
  constexpr std::string_view kContents =
      "port = {n}|name = {p}|owner: {p}|total {n}|Call {p} at {h}:30.|x = {n}|limit: {n}|user {p}|Buy {n} eggs.|"
      "print({n})|version {h}.{n}";
  constexpr ByLanguage kAsk = {"What is in {f}?|Read {f}.|Show me {f}.|Open {f}|What does {f} say?|cat {f}",
                               "读一下{f}|{f}里有什么？",
                               "Lies {f}.|Was steht in {f}?",
                               "Lis {f}.|Qu'y a-t-il dans {f} ?",
                               "Lee {f}.|¿Qué hay en {f}?",
                               "{f}を読んでください|{f}の中身は？"};
  constexpr ByLanguage kAnswer = {"The file says: {r}",   "文件内容：{r}",        "In der Datei steht: {r}",
                                  "Le fichier dit : {r}", "El archivo dice: {r}", "ファイルの中身：{r}"};
  ToolTask task;
  task.topic = "files";
  task.name = ToolName(random, "read_file|open_file|cat|file_read");
  const std::string parameter = ParameterName(random, "path|file|filename");
  task.tool = MakeTool(random, task.name, "Read a file", {{parameter, "string", "Path of the file"}});
  std::string path = Alternative(random, kFolders);
  path += random.Chance(0.3) ? Lower(MadeUpName(random)) : Alternative(random, kNames);
  path += Alternative(random, kEndings);
  const std::string content_pattern = Alternative(random, kContents);
  const std::string content = Fill(content_pattern, {{"n", StrCat(random.Between(2, 9999))},
                                                     {"h", StrCat(random.Between(7, 21))},
                                                     {"p", PersonName(random, Language::kEn)}});
  task.wish = Fill(Alternative(random, In(kAsk, language)), {{"f", path}});
  task.calls = {StringArgument(parameter, path)};
  task.results = {content};
  task.purpose = StrCat("I must read ", path);
  task.answer = Fill(In(kAnswer, language), {{"r", content}});
  task.sign = content;
  return task;
}

ToolTask Timer(CorpusRandom& random, Language language) {
  constexpr ByLanguage kAsk = {
      "Set a timer for {n} minutes.|Wake me in {n} minutes.|Timer: {n} minutes|Remind me in {n} minutes.|"
      "Start a {n} minute timer.",
      "设一个{n}分钟的定时器|{n}分钟后提醒我",
      "Stelle einen Timer auf {n} Minuten.|Erinnere mich in {n} Minuten.",
      "Mets un minuteur de {n} minutes.|Préviens-moi dans {n} minutes.",
      "Pon un temporizador de {n} minutos.|Avísame en {n} minutos.",
      "{n}分のタイマーをセットして|{n}分後に知らせて"};
  constexpr ByLanguage kAnswer = {"The timer is set to {n} minutes.",     "定时器设为{n}分钟。",
                                  "Der Timer steht auf {n} Minuten.",     "Le minuteur est réglé sur {n} minutes.",
                                  "El temporizador está en {n} minutos.", "タイマーを{n}分にセットしました。"};
  ToolTask task;
  task.topic = "timers";
  task.name = ToolName(random, "set_timer|timer|start_timer|alarm");
  const std::string parameter = ParameterName(random, "minutes|duration|min|time");
  task.tool = MakeTool(random, task.name, "Set a timer in minutes", {{parameter, "integer", "Minutes"}});
  const std::string minutes = StrCat(random.Between(1, 180));
  task.wish = Fill(Alternative(random, In(kAsk, language)), {{"n", minutes}});
  task.calls = {Json::Object({{parameter, Json::Number(minutes)}})};
  task.results = {Alternative(random, "ok|started|done|true")};
  task.purpose = StrCat("I set a timer for ", minutes, " minutes");
  task.answer = Fill(In(kAnswer, language), {{"n", minutes}});
  task.sign = task.answer;
  return task;
}

ToolTask Message(CorpusRandom& random, Language language) {
  constexpr ByLanguage kTexts = {
      "I am late|See you at {h}|Call me at {h}|Happy birthday|Bring {n} eggs|The code is {n}|Meet me in {c}|I am in "
      "{c}|"
      "Thank you for the {n} books|We start at {h}",
      "我晚点到|{h}点见|生日快乐|我在{c}|密码是{n}|带{n}个鸡蛋",
      "Ich komme später|Bis {h} Uhr|Alles Gute|Ich bin in {c}|Der Code ist {n}|Bring {n} Eier mit",
      "Je suis en retard|On se voit à {h} h|Bon anniversaire|Je suis à {c}|Le code est {n}",
      "Llego tarde|Nos vemos a las {h}|Feliz cumpleaños|Estoy en {c}|El código es {n}",
      "遅れます|{h}時に会いましょう|誕生日おめでとう|{c}にいます|番号は{n}です"};
  constexpr ByLanguage kAsk = {
      "Send {p} the message: {t}|Tell {p}: {t}|Write to {p}: {t}|Message {p}: {t}|Text {p}: {t}",
      "给{p}发消息：{t}|告诉{p}：{t}",
      "Schreib {p}: {t}|Sende {p} die Nachricht: {t}",
      "Écris à {p} : {t}|Dis à {p} : {t}",
      "Escribe a {p}: {t}|Dile a {p}: {t}",
      "{p}さんに送って：{t}|{p}さんにメッセージ：{t}"};
  constexpr ByLanguage kAnswer = {"I sent the message to {p}.",         "消息已发给{p}。",
                                  "Die Nachricht an {p} ist gesendet.", "Le message à {p} est envoyé.",
                                  "El mensaje a {p} está enviado.",     "{p}さんにメッセージを送りました。"};
  ToolTask task;
  task.topic = "messages";
  task.name = ToolName(random, "send_message|message|send_text|send_mail");
  const std::string to_name = random.Chance(0.6) ? "to" : Alternative(random, "recipient|person|receiver");
  const std::string text_name = random.Chance(0.6) ? "text" : Alternative(random, "body|message|content");
  task.tool = MakeTool(random, task.name, "Send a message",
                       {{to_name, "string", "Who gets it"}, {text_name, "string", "What to say"}});
  const std::string person = PersonName(random, language);
  const std::string text_pattern = Alternative(random, In(kTexts, language));
  const std::string text = Fill(
      text_pattern,
      {{"h", StrCat(random.Between(6, 22))}, {"n", StrCat(random.Between(2, 999))}, {"c", CityName(random, language)}});
  task.wish = Fill(Alternative(random, In(kAsk, language)), {{"p", person}, {"t", text}});
  task.calls = {Json::Object({{to_name, Json::String(person)}, {text_name, Json::String(text)}})};
  task.results = {Alternative(random, "sent|ok|delivered|done")};
  task.purpose = StrCat("I send a message to ", person);
  task.answer = Fill(In(kAnswer, language), {{"p", person}});
  task.sign = person;
  return task;
}

ToolTask Contact(CorpusRandom& random, Language language) {
  constexpr ByLanguage kAsk = {
      "What is the phone number of {p}?|Find the number of {p}.|Phone number of {p}?|How can I call {p}?|{p}'s number?",
      "{p}的电话号码是多少？|查一下{p}的电话",
      "Welche Nummer hat {p}?|Suche die Nummer von {p}.",
      "Quel est le numéro de {p} ?|Trouve le numéro de {p}.",
      "¿Cuál es el número de {p}?|Busca el número de {p}.",
      "{p}さんの電話番号は？|{p}さんの番号を調べて"};
  constexpr ByLanguage kAnswer = {"The number of {p} is {n}.",   "{p}的电话是{n}。",
                                  "Die Nummer von {p} ist {n}.", "Le numéro de {p} est {n}.",
                                  "El número de {p} es {n}.",    "{p}さんの電話番号は{n}です。"};
  ToolTask task;
  task.topic = "contacts";
  task.name = ToolName(random, "lookup_contact|find_contact|contacts|phone_book");
  const std::string parameter = ParameterName(random, "name|person|contact|who");
  task.tool = MakeTool(random, task.name, "Phone number of a person", {{parameter, "string", "Name of the person"}});
  const std::string person = PersonName(random, language);
  const std::string number = Digits(random, static_cast<int>(random.Between(4, 7)));
  task.wish = Fill(Alternative(random, In(kAsk, language)), {{"p", person}});
  task.calls = {StringArgument(parameter, person)};
  task.results = {Fill(R"({"phone": "{n}"})", {{"n", number}})};
  task.purpose = StrCat("I need the number of ", person);
  task.answer = Fill(In(kAnswer, language), {{"p", person}, {"n", number}});
  task.sign = number;
  return task;
}

// A tool nobody has heard of, with one or two parameters: "paint_boat" with color and size. Always in English.
ToolTask MadeUp(CorpusRandom& random, Language /*language*/) {
  constexpr std::string_view kVerbs =
      "paint|open|close|order|lock|clean|move|count|sell|rent|book|print|start|stop|check|build|repair|water|feed|pack|"
      "weigh|delete|add|update|load|scan|play|draw|fill|test";
  constexpr std::string_view kNouns =
      "boat|door|pizza|room|robot|lamp|car|table|ticket|photo|garden|window|box|plant|cat|user|song|map|letter|machine|"
      "server|job|item|report|train|bike|tree|house|page|file";
  struct Choice {
    std::string_view name;
    std::string_view type;
    std::string_view values;  // empty: a number
  };
  constexpr Choice kChoices[] = {
      {"color", "string", "red|blue|green|black|white|yellow|pink|brown"},
      {"size", "string", "small|medium|large|tiny|huge"},
      {"count", "integer", ""},
      {"id", "integer", ""},
      {"level", "integer", ""},
      {"speed", "integer", ""},
      {"day", "string", "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"},
      {"owner", "string", "?"},
      {"label", "string", "?"},
      {"urgent", "boolean", "true|false"},
  };
  constexpr std::string_view kAsk =
      "Please {v} the {n} with {a}.|{V} the {n}: {a}|I want to {v} a {n} with {a}.|{V} a {n} with {a}.|{v} {n}, {a}|"
      "Can you {v} the {n} with {a}?";
  ToolTask task;
  const std::string verb = Alternative(random, kVerbs);
  const std::string noun = Alternative(random, kNouns);
  task.english = true;
  task.name = StrCat(verb, "_", noun);
  task.topic = StrCat(verb, " ", noun);
  std::vector<Parameter> parameters;
  Json arguments = Json::Object();
  std::string wished;
  const size_t wanted = 1 + random.Below(2);
  while (parameters.size() < wanted) {
    const Choice& choice = random.Pick(kChoices);
    if (arguments.Find(choice.name)) continue;
    const std::string value = choice.values.empty()  ? StrCat(random.Between(1, 999))
                              : choice.values == "?" ? MadeUpName(random)
                                                     : Alternative(random, choice.values);
    parameters.push_back({std::string(choice.name), choice.type, choice.name});
    arguments.Set(std::string(choice.name), choice.type == "string"    ? Json::String(value)
                                            : choice.type == "boolean" ? Json::Bool(value == "true")
                                                                       : Json::Number(value));
    wished += StrCat(wished.empty() ? "" : " and ", choice.name, " ", value);
  }
  const std::string capital = Upper(verb.substr(0, 1)) + verb.substr(1);
  task.tool = MakeTool(random, task.name, StrCat(capital, " a ", noun), parameters);
  task.wish = Fill(Alternative(random, kAsk), {{"v", verb}, {"V", capital}, {"n", noun}, {"a", wished}});
  task.calls = {arguments};
  const std::string ticket = Digits(random, 3);
  task.results = {StrCat("ok, number ", ticket)};
  task.purpose = StrCat("I ", verb, " the ", noun, " with ", wished);
  task.answer = StrCat("Done, the number is ", ticket, ".");
  task.sign = ticket;
  return task;
}

using Family = ToolTask (*)(CorpusRandom&, Language);
constexpr Family kFamilies[] = {Weather, Time,    Calculator, Search, Currency, ReadFile,
                                Timer,   Message, Contact,    MadeUp, MadeUp};

}  // namespace

size_t ToolFamilies() { return std::size(kFamilies); }

ToolTask DrawToolTask(CorpusRandom& random, size_t family, Language language) {
  return kFamilies[family](random, language);
}

}  // namespace fathom
