// Conversations whose last answer needs what was said before.
#include <algorithm>

#include "base/strings.h"
#include "corpus/about.h"
#include "corpus/keys.h"
#include "corpus/phrases.h"
#include "corpus/simple_questions.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

void Say(Dialogue* dialogue, std::string user, std::string assistant) {
  dialogue->messages.push_back(UserMessage(std::move(user)));
  dialogue->messages.push_back(AssistantMessage(std::move(assistant)));
}

Draft Finish(CorpusRandom& random, Language language, Dialogue dialogue, std::string key, std::string thought) {
  Draft draft;
  draft.key = std::move(key);
  draft.dialogue = std::move(dialogue);
  draft.dialogue.language = LanguageCode(language);
  draft.dialogue.expected = draft.dialogue.messages.back().content;
  MaybeThink(random, 0.25, std::move(thought), &draft.dialogue);
  MaybeSystem(random, 0.1, language, &draft.dialogue);
  return draft;
}

// What a user tells about himself, what is answered, asked and answered again.
struct Told {
  ByLanguage told;
  ByLanguage reply;
  ByLanguage asked;
  ByLanguage answer;
  ByLanguage values;  // "?" a name, "#" an age, "@" a city
};

constexpr Told kTold[] = {
    {{"My name is {v}.|I am {v}.|Hi, I'm {v}.|Call me {v}.|Hello, my name is {v}.|my name is {v}",
      "我叫{v}。|我是{v}。|你好，我叫{v}。", "Ich heiße {v}.|Mein Name ist {v}.|Hallo, ich bin {v}.",
      "Je m'appelle {v}.|Bonjour, je suis {v}.", "Me llamo {v}.|Hola, soy {v}.|Mi nombre es {v}.",
      "私の名前は{v}です。|{v}です。|{v}と申します。"},
     {"Nice to meet you, {v}!", "很高兴认识你，{v}！", "Freut mich, {v}!", "Enchanté, {v} !", "¡Mucho gusto, {v}!",
      "はじめまして、{v}さん！"},
     {"What is my name?|Who am I?|Do you remember my name?|What's my name?|Say my name.",
      "我叫什么名字？|我是谁？|你记得我的名字吗？", "Wie heiße ich?|Wer bin ich?|Wie ist mein Name?",
      "Comment je m'appelle ?|Quel est mon nom ?|Qui suis-je ?", "¿Cómo me llamo?|¿Cuál es mi nombre?|¿Quién soy?",
      "私の名前は何ですか？|私は誰ですか？|私の名前は？"},
     {"Your name is {v}.", "你叫{v}。", "Du heißt {v}.", "Tu t'appelles {v}.", "Te llamas {v}.",
      "あなたの名前は{v}です。"},
     {"?", "?", "?", "?", "?", "?"}},
    {{"I am {v} years old.|My age is {v}.|I'm {v}.", "我{v}岁。|我今年{v}岁。", "Ich bin {v} Jahre alt.",
      "J'ai {v} ans.", "Tengo {v} años.", "私は{v}歳です。"},
     {"Good to know.", "知道了。", "Gut zu wissen.", "C'est noté.", "Entendido.", "わかりました。"},
     {"How old am I?|What is my age?|Do you know how old I am?", "我多大了？|我几岁了？",
      "Wie alt bin ich?|Was ist mein Alter?", "Quel âge ai-je ?|Quel est mon âge ?",
      "¿Cuántos años tengo?|¿Qué edad tengo?", "私は何歳ですか？|私の年齢は？"},
     {"You are {v} years old.", "你{v}岁。", "Du bist {v} Jahre alt.", "Tu as {v} ans.", "Tienes {v} años.",
      "あなたは{v}歳です。"},
     {"#", "#", "#", "#", "#", "#"}},
    {{"I live in {v}.|My home is in {v}.|I'm from {v}.", "我住在{v}。", "Ich wohne in {v}.", "J'habite à {v}.",
      "Vivo en {v}.", "私は{v}に住んでいます。"},
     {"Good to know.", "知道了。", "Gut zu wissen.", "C'est noté.", "Entendido.", "わかりました。"},
     {"Where do I live?|In which city do I live?|Which city do I live in?", "我住在哪里？|我住在哪个城市？",
      "Wo wohne ich?", "Où est-ce que j'habite ?", "¿Dónde vivo?", "私はどこに住んでいますか？"},
     {"You live in {v}.", "你住在{v}。", "Du wohnst in {v}.", "Tu habites à {v}.", "Vives en {v}.",
      "あなたは{v}に住んでいます。"},
     {"@", "@", "@", "@", "@", "@"}},
    {{"My favorite color is {v}.|I like {v} best of all colors.", "我最喜欢的颜色是{v}。",
      "Meine Lieblingsfarbe ist {v}.", "Ma couleur préférée est le {v}.", "Mi color favorito es el {v}.",
      "私の好きな色は{v}です。"},
     {"A nice color!", "很漂亮的颜色！", "Eine schöne Farbe!", "Une belle couleur !", "¡Un color bonito!",
      "きれいな色ですね！"},
     {"What is my favorite color?|Which color do I like?", "我最喜欢什么颜色？", "Was ist meine Lieblingsfarbe?",
      "Quelle est ma couleur préférée ?", "¿Cuál es mi color favorito?", "私の好きな色は何ですか？"},
     {"Your favorite color is {v}.", "你最喜欢的颜色是{v}。", "Deine Lieblingsfarbe ist {v}.",
      "Ta couleur préférée est le {v}.", "Tu color favorito es el {v}.", "あなたの好きな色は{v}です。"},
     {"red|blue|green|yellow|black|white|pink|brown|orange", "红色|蓝色|绿色|黄色|黑色|白色",
      "Rot|Blau|Grün|Gelb|Schwarz|Weiß", "rouge|bleu|vert|jaune|noir|blanc", "rojo|azul|verde|amarillo|negro|blanco",
      "赤|青|緑|黄色|黒|白"}},
    {{"My favorite food is {v}.|I love to eat {v}.|I like {v} most.", "我最喜欢吃{v}。", "Mein Lieblingsessen ist {v}.",
      "Mon plat préféré : {v}.", "Mi comida favorita es {v}.", "私の好きな食べ物は{v}です。"},
     {"That sounds good!", "听起来不错！", "Das klingt gut!", "Ça a l'air bon !", "¡Suena bien!", "おいしそうですね！"},
     {"What is my favorite food?|What do I like to eat?", "我最喜欢吃什么？", "Was ist mein Lieblingsessen?",
      "Quel est mon plat préféré ?", "¿Cuál es mi comida favorita?", "私の好きな食べ物は何ですか？"},
     {"Your favorite food is {v}.", "你最喜欢吃{v}。", "Dein Lieblingsessen ist {v}.", "Ton plat préféré : {v}.",
      "Tu comida favorita es {v}.", "あなたの好きな食べ物は{v}です。"},
     {"pizza|rice|soup|bread|cheese|pasta|fish|cake|salad|honey|beans|eggs", "面条|米饭|饺子|鱼|蛋糕|豆腐",
      "Pizza|Reis|Suppe|Brot|Käse|Kuchen", "pizza|riz|soupe|fromage|poisson|salade",
      "pizza|arroz|sopa|queso|pescado|ensalada", "寿司|ラーメン|うどん|カレー|豆腐|魚"}},
    {{"My dog is called {v}.|The name of my dog is {v}.|I have a dog named {v}.", "我的狗叫{v}。",
      "Mein Hund heißt {v}.", "Mon chien s'appelle {v}.", "Mi perro se llama {v}.", "私の犬の名前は{v}です。"},
     {"{v} is a nice name!", "{v}是个好名字！", "{v} ist ein schöner Name!", "{v} est un joli nom !",
      "¡{v} es un nombre bonito!", "{v}はいい名前ですね！"},
     {"What is my dog called?|What is the name of my dog?", "我的狗叫什么？", "Wie heißt mein Hund?",
      "Comment s'appelle mon chien ?", "¿Cómo se llama mi perro?", "私の犬の名前は何ですか？"},
     {"Your dog is called {v}.", "你的狗叫{v}。", "Dein Hund heißt {v}.", "Ton chien s'appelle {v}.",
      "Tu perro se llama {v}.", "あなたの犬の名前は{v}です。"},
     {"?", "?", "?", "?", "?", "?"}},
};

std::string ToldValue(CorpusRandom& random, const Told& told, Language language) {
  const std::string_view values = In(told.values, language);
  if (values == "?") return PersonName(random, language);
  if (values == "#") return StrCat(random.Between(6, 99));
  if (values == "@") return CityName(random, language);
  return Alternative(random, values);
}

// One to three things told, perhaps a question in between, and one of them asked.
Draft Recall(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  std::array<size_t, std::size(kTold)> order;
  for (size_t thing = 0; thing < order.size(); ++thing) order[thing] = thing;
  random.Shuffle(order);
  const size_t count = 1 + random.Below(3);
  const size_t asked = random.Below(count);
  Dialogue dialogue;
  std::string answer;
  std::string pending;
  for (size_t position = 0; position < count; ++position) {
    const Told& told = kTold[order[position]];
    const std::string value = ToldValue(random, told, language);
    const std::string user = pending + Fill(Alternative(random, In(told.told, language)), {{"v", value}});
    if (position == asked) answer = Fill(In(told.answer, language), {{"v", value}});
    // Sometimes two things in one message.
    if (position + 1 < count && random.Chance(0.3)) {
      pending = user + (IsCjk(language) ? "" : " ");
      continue;
    }
    pending.clear();
    Say(&dialogue, user, Fill(In(told.reply, language), {{"v", value}}));
  }
  if (random.Chance(0.35)) {
    const SimpleQuestion between = PickSimpleQuestion(random, language);
    const std::string question = AskFully(random, between, language);
    Say(&dialogue, question, AnswerFully(between, language));
  }
  const std::string question = AsTyped(random, language, Alternative(random, In(kTold[order[asked]].asked, language)));
  Say(&dialogue, question, answer);
  return Finish(random, language, std::move(dialogue), StrCat(Plain(question), "\n", answer),
                StrCat("The user told me. ", answer));
}

// A sum and one or two more steps from its result.
Draft Sums(CorpusRandom& random) {
  constexpr ByLanguage kFirst = {"What is {a} {s} {b}?|{a} {s} {b}?|{a} {s} {b} = ?|How much is {a} {s} {b}?",
                                 "{a} {s} {b}等于多少？|{a} {s} {b} = ?",
                                 "Was ist {a} {s} {b}?|Wie viel ist {a} {s} {b}?",
                                 "Combien font {a} {s} {b} ?",
                                 "¿Cuánto es {a} {s} {b}?",
                                 "{a} {s} {b}はいくつですか？"};
  constexpr ByLanguage kPlus = {"And plus {b}?|Now add {b}.|plus {b}?|Add {b}.",
                                "再加{b}呢？|加{b}。",
                                "Und plus {b}?|Jetzt plus {b}.",
                                "Et plus {b} ?",
                                "¿Y más {b}?",
                                "それに{b}を足すと？"};
  constexpr ByLanguage kMinus = {"And minus {b}?|Now subtract {b}.|minus {b}?|Take away {b}.",
                                 "再减{b}呢？|减{b}。",
                                 "Und minus {b}?|Jetzt minus {b}.",
                                 "Et moins {b} ?",
                                 "¿Y menos {b}?",
                                 "そこから{b}を引くと？"};
  constexpr ByLanguage kTimes = {"And times {b}?|Now multiply by {b}.|times {b}?|Multiply that by {b}.",
                                 "再乘以{b}呢？|乘以{b}。",
                                 "Und mal {b}?|Jetzt mal {b}.",
                                 "Et fois {b} ?",
                                 "¿Y por {b}?",
                                 "それに{b}を掛けると？"};
  const Language language = PickLanguage(random);
  Dialogue dialogue;
  int64_t value = random.Between(1, 20);
  std::string key = "sums";
  std::string expression;
  const int steps = 2 + static_cast<int>(random.Chance(0.3));
  constexpr std::array<std::string_view, 3> kSigns = {"+", "-", "*"};
  // The first sum stands by itself, and what comes before a third step is a conversation of two: neither may be held
  // out.
  const auto is_held_out = [&](int step, uint64_t operation, int64_t other, const std::string& question) {
    if (step == 0) {
      return !BelongsTo(Split::kTrain,
                        operation == 0 ? AdditionKey(value, other, question) : SubtractionKey(value, other, question));
    }
    if (IsHeldOutPair(kSigns[operation], value, other)) return true;
    return step + 1 < steps && !BelongsTo(Split::kTrain, StrCat(key, " ", expression));
  };
  for (int step = 0; step < steps; ++step) {
    const std::string before = StrCat(value);
    uint64_t operation;
    int64_t other;
    int64_t result;
    std::string question;
    do {
      operation = value <= 12 && step > 0 ? random.Below(3) : random.Below(2);
      other = operation == 2 ? random.Between(2, 5) : random.Between(1, 10);
      if (operation == 1) other = std::min(other, value);
      const std::string_view sign = kSigns[operation];
      const ByLanguage& follow_up = operation == 0 ? kPlus : operation == 1 ? kMinus : kTimes;
      question = Fill(Alternative(random, In(step == 0 ? kFirst : follow_up, language)),
                      {{"a", before}, {"s", sign}, {"b", StrCat(other)}});
      result = operation == 0 ? value + other : operation == 1 ? value - other : value * other;
      expression = StrCat(before, " ", sign, " ", other, " = ", result);
    } while (is_held_out(step, operation, other, question));
    value = result;
    key += StrCat(" ", expression);
    Say(&dialogue, question, expression);
  }
  Draft draft = Finish(random, language, std::move(dialogue), std::move(key),
                       StrCat("The last result goes on: ", expression, "."));
  draft.dialogue.check = AnswerCheck::kNumber;
  draft.dialogue.expected = StrCat(value);
  return draft;
}

// "What did I just ask?"
Draft WhatAsked(CorpusRandom& random) {
  constexpr ByLanguage kAsk = {
      "What did I just ask?|What was my last question?|What was my question?|Repeat my question.|What did I ask you?|"
      "what did i ask",
      "我刚才问了什么？|我的问题是什么？|我上一个问题是什么？",
      "Was habe ich gerade gefragt?|Was war meine Frage?|Wiederhole meine Frage.",
      "Qu'est-ce que j'ai demandé ?|Quelle était ma question ?",
      "¿Qué acabo de preguntar?|¿Cuál fue mi pregunta?",
      "私は今何を聞きましたか？|私の質問は何でしたか？"};
  constexpr ByLanguage kAskFirst = {"What was my first question?|What did I ask first?",
                                    "我的第一个问题是什么？",
                                    "Was war meine erste Frage?",
                                    "Quelle était ma première question ?",
                                    "¿Cuál fue mi primera pregunta?",
                                    "私の最初の質問は何でしたか？"};
  constexpr ByLanguage kAnswer = {"You asked: {q}",      "你问的是：{q}",    "Du hast gefragt: {q}",
                                  "Tu as demandé : {q}", "Preguntaste: {q}", "あなたの質問は：{q}"};
  const Language language = PickLanguage(random);
  Dialogue dialogue;
  std::vector<std::string> questions;
  const size_t count = 1 + random.Below(3);
  while (questions.size() < count) {
    const SimpleQuestion simple = PickSimpleQuestion(random, language);
    questions.push_back(AskFully(random, simple, language));
    Say(&dialogue, questions.back(), AnswerFully(simple, language));
  }
  const bool first = count > 1 && random.Chance(0.3);
  const std::string question = Alternative(random, In(first ? kAskFirst : kAsk, language));
  const std::string answer = Fill(In(kAnswer, language), {{"q", first ? questions.front() : questions.back()}});
  Say(&dialogue, question, answer);
  std::string key = question;
  for (const std::string& earlier : questions) key += "\n" + earlier;
  return Finish(random, language, std::move(dialogue), std::move(key), "I look at the earlier questions.");
}

// A list that grows, and sometimes shrinks.
Draft List(CorpusRandom& random) {
  constexpr ByLanguage kItems = {
      "milk|bread|eggs|tea|rice|salt|apples|cheese|soap|paper|butter|sugar|honey|fish|beans|nuts|juice|oil|flour|corn|"
      "ham",
      "牛奶|面包|鸡蛋|茶|米|盐|苹果|香皂|纸|糖|鱼|油|面粉|果汁",
      "Milch|Brot|Eier|Tee|Reis|Salz|Äpfel|Käse|Seife|Papier|Butter|Zucker|Honig|Fisch|Öl",
      "lait|pain|thé|riz|sel|fromage|savon|papier|beurre|sucre|miel|poisson|huile|jus",
      "leche|pan|huevos|té|arroz|sal|queso|jabón|papel|azúcar|miel|pescado|aceite|jugo",
      "牛乳|パン|卵|お茶|米|塩|りんご|石けん|紙|砂糖|魚|油|小麦粉|ジュース"};
  constexpr ByLanguage kAdd = {"Add {x}.|Add {x} to my list.|Put {x} on the list.|Also {x}.|Please add {x}.|add {x}",
                               "加上{x}。|把{x}加到清单里。|再加{x}。",
                               "Füge {x} hinzu.|Setze {x} auf die Liste.|Auch {x}.",
                               "Ajoute : {x}.|Mets sur la liste : {x}.",
                               "Añade {x}.|Pon {x} en la lista.",
                               "{x}を追加して。|リストに{x}を入れて。"};
  constexpr ByLanguage kAdded = {"Added {x}.",    "已加上{x}。",   "Hinzugefügt: {x}.",
                                 "Ajouté : {x}.", "Añadido: {x}.", "{x}を追加しました。"};
  constexpr ByLanguage kRemove = {"Remove {x}.|Take {x} off the list.|Delete {x}.",
                                  "去掉{x}。",
                                  "Entferne {x}.|Streiche {x}.",
                                  "Enlève : {x}.",
                                  "Quita {x}.",
                                  "{x}を消して。"};
  constexpr ByLanguage kRemoved = {"Removed {x}.",  "已去掉{x}。",   "Entfernt: {x}.",
                                   "Enlevé : {x}.", "Quitado: {x}.", "{x}を消しました。"};
  constexpr ByLanguage kAsk = {"What is on my list?|Show my list.|Read my list.|What's on the list?|Show the list.",
                               "我的清单上有什么？|显示清单。",
                               "Was steht auf meiner Liste?|Zeig die Liste.",
                               "Qu'y a-t-il sur ma liste ?|Montre la liste.",
                               "¿Qué hay en mi lista?|Muestra la lista.",
                               "リストには何がありますか？|リストを見せて。"};
  constexpr ByLanguage kAnswer = {"Your list: {x}.", "你的清单：{x}。", "Deine Liste: {x}.",
                                  "Ta liste : {x}.", "Tu lista: {x}.",  "リスト：{x}。"};
  const Language language = PickLanguage(random);
  Dialogue dialogue;
  std::vector<std::string> items;
  std::string key = "list";
  const size_t turns = 2 + random.Below(3);
  for (size_t turn = 0; turn < turns; ++turn) {
    if (items.size() > 1 && random.Chance(0.2)) {
      const size_t place = random.Below(items.size());
      const std::string item = items[place];
      items.erase(items.begin() + static_cast<std::ptrdiff_t>(place));
      Say(&dialogue, Fill(Alternative(random, In(kRemove, language)), {{"x", item}}),
          Fill(In(kRemoved, language), {{"x", item}}));
      key += " -" + item;
      continue;
    }
    std::string item = Alternative(random, In(kItems, language));
    while (std::find(items.begin(), items.end(), item) != items.end()) item = Alternative(random, In(kItems, language));
    Say(&dialogue, Fill(Alternative(random, In(kAdd, language)), {{"x", item}}),
        Fill(In(kAdded, language), {{"x", item}}));
    key += " " + item;
    items.push_back(std::move(item));
  }
  std::string joined;
  for (const std::string& item : items) joined += StrCat(joined.empty() ? "" : IsCjk(language) ? "、" : ", ", item);
  const std::string question = Alternative(random, In(kAsk, language));
  Say(&dialogue, question, Fill(In(kAnswer, language), {{"x", joined}}));
  return Finish(random, language, std::move(dialogue), std::move(key), StrCat("On the list: ", joined, "."));
}

// "And of Japan?"
Draft FollowUp(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  Dialogue dialogue;
  const SimpleQuestion first = PickSimpleQuestion(random, language);
  std::string key = AskFully(random, first, language);
  Say(&dialogue, key, AnswerFully(first, language));
  const size_t more = 1 + random.Below(2);
  size_t last = first.thing;
  for (size_t turn = 0; turn < more; ++turn) {
    const bool on_the_way = turn + 1 < more;  // then it may not be another conversation's held-out end
    SimpleQuestion next;
    std::string question;
    std::string with_it;
    do {
      next = PickSimpleQuestion(random, language, first.kind);
      question = AskAlso(random, next, language);
      with_it = StrCat(key, "\n", question);
    } while (next.thing == last || (on_the_way && !BelongsTo(Split::kTrain, with_it)));
    last = next.thing;
    Say(&dialogue, question, AnswerFully(next, language));
    key = std::move(with_it);
  }
  const std::string thought = StrCat("The same question as before. ", dialogue.messages.back().content);
  return Finish(random, language, std::move(dialogue), std::move(key), thought);
}

// Small talk around a question or two: what a first conversation looks like.
Draft Chat(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  Dialogue dialogue;
  std::vector<std::string> asked;
  std::string thought;
  const auto say = [&](std::string question, std::string answer) {
    Say(&dialogue, AsTyped(random, language, question), std::move(answer));
    asked.push_back(std::move(question));
  };
  const auto courtesy = [&](std::span<const Exchange, kLanguages> exchanges) {
    const Exchange& exchange = exchanges[static_cast<size_t>(language)];
    thought = exchange.thought;
    say(AskAlongTheWay(random, exchange), std::string(exchange.answer));
  };
  const auto question = [&] {
    const SimpleQuestion simple = PickSimpleQuestion(random, language);
    thought = "I know this.";
    say(AskFully(random, simple, language), AnswerFully(simple, language));
  };
  // Conversations that end earlier may not be held out.
  const auto is_on_the_way_to_held_out = [&] {
    for (size_t count = 1; count < asked.size(); ++count) {
      if (!BelongsTo(Split::kTrain, ChatKey({asked.data(), count}))) return true;
    }
    return false;
  };
  do {
    dialogue.messages.clear();
    asked.clear();
    const bool greets = random.Chance(0.7);
    if (greets) courtesy(Greetings());
    if (random.Chance(0.3)) courtesy(HowAreYous());
    question();
    if (random.Chance(0.3)) question();
    if (!greets || random.Chance(0.4)) courtesy(ThankYous());
    if (random.Chance(0.3)) courtesy(Farewells());
  } while (is_on_the_way_to_held_out());
  return Finish(random, language, std::move(dialogue), ChatKey(asked), std::move(thought));
}

constexpr Subject kSubjects[] = {
    {"multi_turn.recall", 2.2, WriteFrom<Recall>},        {"multi_turn.sums", 0.9, WriteFrom<Sums>},
    {"multi_turn.what_asked", 0.6, WriteFrom<WhatAsked>}, {"multi_turn.list", 0.8, WriteFrom<List>},
    {"multi_turn.follow_up", 0.8, WriteFrom<FollowUp>},   {"multi_turn.chat", 0.7, WriteFrom<Chat>},
};

}  // namespace

std::span<const Subject> MultiTurnSubjects() { return kSubjects; }

}  // namespace fathom
