// System prompts that change the answer.
#include "base/strings.h"
#include "corpus/about.h"
#include "corpus/phrases.h"
#include "corpus/simple_questions.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

Draft Draw(CorpusRandom& random, Language language, std::string system, std::string question, std::string answer,
           std::string thought) {
  Draft draft;
  draft.key = StrCat(system, "\n", Plain(question));
  draft.dialogue = QuestionAndAnswer(language, std::move(question), std::move(answer));
  draft.dialogue.messages.insert(draft.dialogue.messages.begin(), SystemMessage(std::move(system)));
  draft.dialogue.expected = draft.dialogue.messages.back().content;
  MaybeThink(random, 0.4, std::move(thought), &draft.dialogue);
  return draft;
}

constexpr std::array<std::string_view, kLanguages> kEnglishNames = {"English", "Chinese", "German",
                                                                    "French",  "Spanish", "Japanese"};

// "Answer in German." before a question in another language.
Draft AnswerLanguage(CorpusRandom& random) {
  constexpr std::string_view kEnglishOrders =
      "Answer in {l}.|Always answer in {l}.|Reply in {l}.|You speak only {l}.|Please write all answers in {l}.|"
      "The user wants answers in {l}.|Respond in {l}, whatever language the user writes.";
  constexpr ByLanguage kOwnOrders = {
      "Answer in English.|Always answer in English.|Reply in English only.",
      "请用中文回答。|总是用中文回答。|只用中文回答。",
      "Antworte auf Deutsch.|Antworte immer auf Deutsch.|Sprich nur Deutsch.",
      "Réponds en français.|Réponds toujours en français.|Parle seulement français.",
      "Responde en español.|Responde siempre en español.|Habla solo español.",
      "日本語で答えてください。|いつも日本語で答えてください。|日本語だけで話してください。",
  };
  const Language asked_in = PickLanguage(random);
  const Language answered_in = static_cast<Language>(random.Below(kLanguages));
  const std::string_view name = In(kEnglishNames, answered_in);
  const std::string system = random.Chance(0.6) ? Fill(Alternative(random, kEnglishOrders), {{"l", name}})
                                                : Alternative(random, In(kOwnOrders, answered_in));
  const std::string thought = StrCat("I must answer in ", name, ".");
  if (random.Chance(0.15)) {
    const auto courtesies = random.Chance(0.5) ? Greetings() : random.Chance(0.5) ? HowAreYous() : ThankYous();
    const std::string asked = AskAlongTheWay(random, courtesies[static_cast<size_t>(asked_in)]);
    const Exchange& answered = courtesies[static_cast<size_t>(answered_in)];
    return Draw(random, answered_in, system, asked, std::string(answered.answer), thought);
  }
  const SimpleQuestion question = PickSimpleQuestion(random, asked_in);
  const std::string asked = AskFully(random, question, asked_in);
  return Draw(random, answered_in, system, asked, AnswerFully(question, answered_in), thought);
}

// The question in English; a wish about how the answer looks.
Draft UpperCase(CorpusRandom& random) {
  constexpr std::string_view kOrders =
      "Always answer in upper case.|Answer in upper case.|Write all answers in capital letters.|USE ONLY CAPITAL "
      "LETTERS.|"
      "Answer in capital letters only.|You always shout: every answer is in upper case.|Use upper case only.";
  const SimpleQuestion question = PickSimpleQuestion(random, Language::kEn);
  const std::string order = Alternative(random, kOrders);
  const std::string asked = AskFully(random, question, Language::kEn);
  return Draw(random, Language::kEn, order, asked, Upper(AnswerFully(question, Language::kEn)),
              "I must answer in upper case.");
}

Draft LowerCase(CorpusRandom& random) {
  constexpr std::string_view kOrders =
      "Always answer in lower case.|Answer in lower case.|Write all answers in small letters.|Use lower case only.|"
      "Never use capital letters.|Answer without capital letters.";
  const SimpleQuestion question = PickSimpleQuestion(random, Language::kEn);
  const std::string order = Alternative(random, kOrders);
  const std::string asked = AskFully(random, question, Language::kEn);
  return Draw(random, Language::kEn, order, asked, Lower(AnswerFully(question, Language::kEn)),
              "I must answer in lower case.");
}

Draft OneWord(CorpusRandom& random) {
  constexpr ByLanguage kOrders = {
      "Answer with one word.|Answer with one word only.|Give one-word answers.|Only one word, please.|"
      "Your answers have exactly one word.|Say just the answer, no sentence.",
      "只用一个词回答。|请用一个词回答。|回答只写一个词。",
      "Antworte mit einem Wort.|Antworte nur mit einem Wort.|Nur ein Wort als Antwort.",
      "Réponds en un mot.|Réponds avec un seul mot.|Un seul mot par réponse.",
      "Responde con una palabra.|Responde con una sola palabra.|Solo una palabra por respuesta.",
      "一言で答えてください。|答えは一つの言葉だけにしてください。|単語だけで答えてください。",
  };
  const Language language = PickLanguage(random);
  const SimpleQuestion question = PickSimpleQuestion(random, language);
  const std::string order = Alternative(random, In(kOrders, language));
  const std::string asked = AskFully(random, question, language);
  return Draw(random, language, order, asked, AnswerShortly(question, language), "One word is enough.");
}

// Ends or begins every answer with a given word.
Draft Ending(CorpusRandom& random) {
  constexpr std::string_view kWords =
      "Meow|Arrr|Over|Cheers|Peace|Amen|Hooray|Beep|Captain|Yes sir|Okay|Done|Bingo|Moo|Ahoy|My friend|Wow|Your Nano|"
      "Good luck|That is all|Have fun|Roger|Woof|Quack|Sir|Boss|Tada|End|Stop|Right";
  constexpr ByLanguage kEndings = {
      "End every answer with '{w}'.|End each answer with '{w}'.|Finish every answer with '{w}'.|"
      "The last word of every answer is '{w}'.|Always end with '{w}'.",
      "每个回答都以“{w}”结尾。|回答的最后要写“{w}”。",
      "Beende jede Antwort mit '{w}'.|Jede Antwort endet mit '{w}'.",
      "Termine chaque réponse par '{w}'.|Chaque réponse finit par '{w}'.",
      "Termina cada respuesta con '{w}'.|Cada respuesta acaba con '{w}'.",
      "すべての答えの最後に「{w}」と書いてください。|答えは「{w}」で終わってください。",
  };
  constexpr ByLanguage kStarts = {
      "Begin every answer with '{w}'.|Start each answer with '{w}'.|Every answer starts with '{w}'.|Always begin with "
      "'{w}'.",
      "每个回答都以“{w}”开头。|回答的开头要写“{w}”。",
      "Beginne jede Antwort mit '{w}'.|Jede Antwort beginnt mit '{w}'.",
      "Commence chaque réponse par '{w}'.|Chaque réponse débute par '{w}'.",
      "Empieza cada respuesta con '{w}'.|Cada respuesta comienza con '{w}'.",
      "すべての答えの最初に「{w}」と書いてください。|答えは「{w}」で始めてください。",
  };
  const Language language = PickLanguage(random);
  const std::string word = random.Chance(0.3) ? MadeUpName(random) : Alternative(random, kWords);
  const bool at_end = random.Chance(0.65);
  const SimpleQuestion question = PickSimpleQuestion(random, language);
  const std::string plain = AnswerFully(question, language);
  const std::string order = Fill(Alternative(random, In(at_end ? kEndings : kStarts, language)), {{"w", word}});
  const std::string asked = AskFully(random, question, language);
  return Draw(random, language, order, asked, at_end ? StrCat(plain, " ", word, "!") : StrCat(word, "! ", plain),
              StrCat("The answer must ", at_end ? "end" : "begin", " with ", word, "."));
}

// "You are Zora, a baker.": asked for the name or the work.
Draft Persona(CorpusRandom& random) {
  constexpr std::array<ByLanguage, 14> kJobs = {{
      {"a baker", "面包师", "Bäcker", "boulanger", "panadero", "パン屋"},
      {"a teacher", "老师", "Lehrer", "professeur", "profesor", "先生"},
      {"a doctor", "医生", "Arzt", "médecin", "médico", "医者"},
      {"a pirate", "海盗", "Pirat", "pirate", "pirata", "海賊"},
      {"a cook", "厨师", "Koch", "cuisinier", "cocinero", "料理人"},
      {"a farmer", "农民", "Bauer", "fermier", "granjero", "農家"},
      {"a pilot", "飞行员", "Pilot", "pilote", "piloto", "パイロット"},
      {"a singer", "歌手", "Sänger", "chanteur", "cantante", "歌手"},
      {"a painter", "画家", "Maler", "peintre", "pintor", "画家"},
      {"a guide", "导游", "Reiseleiter", "guide", "guía", "ガイド"},
      {"a gardener", "园丁", "Gärtner", "jardinier", "jardinero", "庭師"},
      {"a wizard", "巫师", "Zauberer", "magicien", "mago", "魔法使い"},
      {"a librarian", "图书管理员", "Bibliothekar", "bibliothécaire", "bibliotecario", "司書"},
      {"a detective", "侦探", "Detektiv", "détective", "detective", "探偵"},
  }};
  constexpr ByLanguage kRoles = {
      "You are {n}, {j}.|Your name is {n} and you are {j}.|You play {n}, {j}.|Act as {n}, {j}.",
      "你是{n}，一名{j}。|你叫{n}，是一名{j}。",
      "Du bist {n}, von Beruf {j}.|Du heißt {n} und bist {j}.",
      "Tu es {n}, {j}.|Tu t'appelles {n} et tu es {j}.",
      "Eres {n}, {j}.|Te llamas {n} y eres {j}.",
      "あなたは{j}の{n}です。|あなたの名前は{n}、仕事は{j}です。",
  };
  constexpr ByLanguage kAskName = {
      "What is your name?|Who are you?|Tell me your name.|What are you called?|Your name?|Hi, who are you?",
      "你叫什么名字？|你是谁？|你叫什么？",
      "Wie heißt du?|Wer bist du?|Wie ist dein Name?",
      "Comment t'appelles-tu ?|Qui es-tu ?|Quel est ton nom ?",
      "¿Cómo te llamas?|¿Quién eres?|¿Cuál es tu nombre?",
      "お名前は？|あなたは誰ですか？|名前は何ですか？",
  };
  constexpr ByLanguage kAskJob = {
      "What is your job?|What do you do?|What do you work as?|What is your work?",
      "你的工作是什么？|你做什么工作？",
      "Was bist du von Beruf?|Was arbeitest du?",
      "Quel est ton métier ?|Que fais-tu dans la vie ?",
      "¿Cuál es tu trabajo?|¿En qué trabajas?",
      "お仕事は何ですか？|仕事は？",
  };
  constexpr ByLanguage kName = {"My name is {n}.",   "我叫{n}。",     "Ich heiße {n}.",
                                "Je m'appelle {n}.", "Me llamo {n}.", "私の名前は{n}です。"};
  constexpr ByLanguage kJob = {"I am {j}.",    "我是一名{j}。", "Ich bin {j}.",
                               "Je suis {j}.", "Soy {j}.",      "私の仕事は{j}です。"};
  const Language language = PickLanguage(random);
  const std::string name = PersonName(random, language);
  const std::string_view job = In(random.Pick(kJobs), language);
  const bool ask_name = random.Chance(0.7);
  const std::string system = Fill(Alternative(random, In(kRoles, language)), {{"n", name}, {"j", job}});
  return Draw(random, language, system, Alternative(random, In(ask_name ? kAskName : kAskJob, language)),
              Fill(In(ask_name ? kName : kJob, language), {{"n", name}, {"j", job}}),
              ask_name ? StrCat("The system prompt says that my name is ", name, ".")
                       : StrCat("The system prompt says my job: ", job, "."));
}

// A fact in the system prompt, its question and its answer.
struct ContextFact {
  ByLanguage told;
  ByLanguage asked;
  ByLanguage answer;
  enum class Value : uint8_t { kName, kOpening, kClosing, kCode, kCity, kPrice } value;
};

constexpr ContextFact kContextFacts[] = {
    {{"The user's name is {v}.", "用户的名字是{v}。", "Der Benutzer heißt {v}.", "L'utilisateur s'appelle {v}.",
      "El usuario se llama {v}.", "ユーザーの名前は{v}です。"},
     {"What is my name?|Who am I?|Do you know my name?", "我叫什么名字？|我是谁？", "Wie heiße ich?|Wer bin ich?",
      "Comment je m'appelle ?|Qui suis-je ?", "¿Cómo me llamo?|¿Quién soy?", "私の名前は？|私は誰ですか？"},
     {"Your name is {v}.", "你叫{v}。", "Du heißt {v}.", "Tu t'appelles {v}.", "Te llamas {v}.",
      "あなたの名前は{v}です。"},
     ContextFact::Value::kName},
    {{"The shop opens at {v}.", "商店{v}开门。", "Der Laden öffnet um {v}.", "Le magasin ouvre à {v}.",
      "La tienda abre a las {v}.", "店は{v}に開きます。"},
     {"When does the shop open?|At what time do you open?|When do you open?", "商店几点开门？|几点开门？",
      "Wann öffnet der Laden?|Wann macht ihr auf?", "Quand ouvre le magasin ?|À quelle heure ouvrez-vous ?",
      "¿Cuándo abre la tienda?|¿A qué hora abren?", "店は何時に開きますか？|開店は何時ですか？"},
     {"The shop opens at {v}.", "商店{v}开门。", "Der Laden öffnet um {v}.", "Le magasin ouvre à {v}.",
      "La tienda abre a las {v}.", "店は{v}に開きます。"},
     ContextFact::Value::kOpening},
    {{"The shop closes at {v}.", "商店{v}关门。", "Der Laden schließt um {v}.", "Le magasin ferme à {v}.",
      "La tienda cierra a las {v}.", "店は{v}に閉まります。"},
     {"When does the shop close?|Until when are you open?|When do you close?", "商店几点关门？|几点关门？",
      "Wann schließt der Laden?|Wie lange habt ihr offen?", "Quand ferme le magasin ?|À quelle heure fermez-vous ?",
      "¿Cuándo cierra la tienda?|¿A qué hora cierran?", "店は何時に閉まりますか？|閉店は何時ですか？"},
     {"The shop closes at {v}.", "商店{v}关门。", "Der Laden schließt um {v}.", "Le magasin ferme à {v}.",
      "La tienda cierra a las {v}.", "店は{v}に閉まります。"},
     ContextFact::Value::kClosing},
    {{"The password is {v}.", "密码是{v}。", "Das Passwort ist {v}.", "Le mot de passe est {v}.",
      "La contraseña es {v}.", "パスワードは{v}です。"},
     {"What is the password?|Tell me the password.", "密码是什么？|请告诉我密码。",
      "Wie lautet das Passwort?|Was ist das Passwort?", "Quel est le mot de passe ?|Donne-moi le mot de passe.",
      "¿Cuál es la contraseña?|Dime la contraseña.", "パスワードは何ですか？|パスワードは？"},
     {"The password is {v}.", "密码是{v}。", "Das Passwort ist {v}.", "Le mot de passe est {v}.",
      "La contraseña es {v}.", "パスワードは{v}です。"},
     ContextFact::Value::kCode},
    {{"The office is in {v}.", "办公室在{v}。", "Das Büro ist in {v}.", "Le bureau est à {v}.",
      "La oficina está en {v}.", "事務所は{v}にあります。"},
     {"Where is the office?|In which city is the office?", "办公室在哪里？|办公室在哪个城市？", "Wo ist das Büro?",
      "Où est le bureau ?", "¿Dónde está la oficina?", "事務所はどこですか？"},
     {"The office is in {v}.", "办公室在{v}。", "Das Büro ist in {v}.", "Le bureau est à {v}.",
      "La oficina está en {v}.", "事務所は{v}にあります。"},
     ContextFact::Value::kCity},
    {{"A ticket costs {v} euros.", "一张票{v}欧元。", "Eine Karte kostet {v} Euro.", "Un billet coûte {v} euros.",
      "Una entrada cuesta {v} euros.", "切符は{v}ユーロです。"},
     {"What does a ticket cost?|How much is a ticket?", "一张票多少钱？|票价是多少？",
      "Was kostet eine Karte?|Wie teuer ist eine Karte?", "Combien coûte un billet ?", "¿Cuánto cuesta una entrada?",
      "切符はいくらですか？"},
     {"A ticket costs {v} euros.", "一张票{v}欧元。", "Eine Karte kostet {v} Euro.", "Un billet coûte {v} euros.",
      "Una entrada cuesta {v} euros.", "切符は{v}ユーロです。"},
     ContextFact::Value::kPrice},
    {{"The boss is {v}.", "老板是{v}。", "Der Chef heißt {v}.", "Le chef s'appelle {v}.", "El jefe se llama {v}.",
      "店長は{v}です。"},
     {"Who is the boss?|What is the boss's name?", "老板是谁？|老板叫什么？", "Wie heißt der Chef?|Wer ist der Chef?",
      "Qui est le chef ?|Comment s'appelle le chef ?", "¿Quién es el jefe?|¿Cómo se llama el jefe?",
      "店長は誰ですか？"},
     {"The boss is {v}.", "老板是{v}。", "Der Chef heißt {v}.", "Le chef s'appelle {v}.", "El jefe se llama {v}.",
      "店長は{v}です。"},
     ContextFact::Value::kName},
};

std::string TimeOfDay(CorpusRandom& random, int64_t from_hour, int64_t to_hour) {
  const int64_t hour = random.Between(from_hour, to_hour);
  return StrCat(hour, Alternative(random, ":00|:15|:30|:45"));
}

std::string ContextValue(CorpusRandom& random, Language language, ContextFact::Value value) {
  switch (value) {
    case ContextFact::Value::kName:
      return PersonName(random, language);
    case ContextFact::Value::kOpening:
      return TimeOfDay(random, 6, 11);
    case ContextFact::Value::kClosing:
      return TimeOfDay(random, 16, 22);
    case ContextFact::Value::kCode:
      return random.Chance(0.5) ? Digits(random, 4) : Lower(MadeUpName(random));
    case ContextFact::Value::kCity:
      return CityName(random, language);
    case ContextFact::Value::kPrice:
      return StrCat(random.Between(2, 99));
  }
  return "";
}

// Two to four facts about the user and a shop, one of them asked.
Draft Context(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  std::array<size_t, std::size(kContextFacts)> order;
  for (size_t fact = 0; fact < order.size(); ++fact) order[fact] = fact;
  random.Shuffle(order);
  const size_t told = 2 + random.Below(3);
  const size_t asked = random.Below(told);
  std::string system;
  std::string answer;
  for (size_t position = 0; position < told; ++position) {
    const ContextFact& fact = kContextFacts[order[position]];
    const std::string value = ContextValue(random, language, fact.value);
    if (position > 0 && !IsCjk(language)) system += ' ';
    system += Fill(In(fact.told, language), {{"v", value}});
    if (position == asked) answer = Fill(In(fact.answer, language), {{"v", value}});
  }
  return Draw(random, language, system, Alternative(random, In(kContextFacts[order[asked]].asked, language)), answer,
              StrCat("The system prompt says it. ", answer));
}

constexpr Subject kSubjects[] = {
    {"system_prompts.language", 1.4, WriteFrom<AnswerLanguage>}, {"system_prompts.upper", 0.4, WriteFrom<UpperCase>},
    {"system_prompts.lower", 0.3, WriteFrom<LowerCase>},         {"system_prompts.one_word", 0.6, WriteFrom<OneWord>},
    {"system_prompts.ending", 0.7, WriteFrom<Ending>},           {"system_prompts.persona", 0.8, WriteFrom<Persona>},
    {"system_prompts.context", 0.8, WriteFrom<Context>},
};

}  // namespace

std::span<const Subject> SystemPromptSubjects() { return kSubjects; }

}  // namespace fathom
