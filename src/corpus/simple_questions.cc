#include "corpus/simple_questions.h"

#include <span>
#include <vector>

#include "corpus/keys.h"

namespace fathom {
namespace {

// What is asked about, as it stands in the question, and the answer; both in the order of Language. French countries
// come with their preposition.
struct Fact {
  ByLanguage thing;
  ByLanguage answer;
};

constexpr Fact kCapitals[] = {
    {{"Japan", "日本", "Japan", "du Japon", "Japón", "日本"}, {"Tokyo", "东京", "Tokio", "Tokyo", "Tokio", "東京"}},
    {{"France", "法国", "Frankreich", "de la France", "Francia", "フランス"},
     {"Paris", "巴黎", "Paris", "Paris", "París", "パリ"}},
    {{"Germany", "德国", "Deutschland", "de l'Allemagne", "Alemania", "ドイツ"},
     {"Berlin", "柏林", "Berlin", "Berlin", "Berlín", "ベルリン"}},
    {{"Italy", "意大利", "Italien", "de l'Italie", "Italia", "イタリア"},
     {"Rome", "罗马", "Rom", "Rome", "Roma", "ローマ"}},
    {{"Spain", "西班牙", "Spanien", "de l'Espagne", "España", "スペイン"},
     {"Madrid", "马德里", "Madrid", "Madrid", "Madrid", "マドリード"}},
    {{"Portugal", "葡萄牙", "Portugal", "du Portugal", "Portugal", "ポルトガル"},
     {"Lisbon", "里斯本", "Lissabon", "Lisbonne", "Lisboa", "リスボン"}},
    {{"China", "中国", "China", "de la Chine", "China", "中国"},
     {"Beijing", "北京", "Peking", "Pékin", "Pekín", "北京"}},
    {{"Peru", "秘鲁", "Peru", "du Pérou", "Perú", "ペルー"}, {"Lima", "利马", "Lima", "Lima", "Lima", "リマ"}},
    {{"Canada", "加拿大", "Kanada", "du Canada", "Canadá", "カナダ"},
     {"Ottawa", "渥太华", "Ottawa", "Ottawa", "Ottawa", "オタワ"}},
    {{"Greece", "希腊", "Griechenland", "de la Grèce", "Grecia", "ギリシャ"},
     {"Athens", "雅典", "Athen", "Athènes", "Atenas", "アテネ"}},
    {{"Egypt", "埃及", "Ägypten", "de l'Égypte", "Egipto", "エジプト"},
     {"Cairo", "开罗", "Kairo", "Le Caire", "El Cairo", "カイロ"}},
    {{"Norway", "挪威", "Norwegen", "de la Norvège", "Noruega", "ノルウェー"},
     {"Oslo", "奥斯陆", "Oslo", "Oslo", "Oslo", "オスロ"}},
    {{"Sweden", "瑞典", "Schweden", "de la Suède", "Suecia", "スウェーデン"},
     {"Stockholm", "斯德哥尔摩", "Stockholm", "Stockholm", "Estocolmo", "ストックホルム"}},
    {{"Poland", "波兰", "Polen", "de la Pologne", "Polonia", "ポーランド"},
     {"Warsaw", "华沙", "Warschau", "Varsovie", "Varsovia", "ワルシャワ"}},
    {{"Austria", "奥地利", "Österreich", "de l'Autriche", "Austria", "オーストリア"},
     {"Vienna", "维也纳", "Wien", "Vienne", "Viena", "ウィーン"}},
    {{"Russia", "俄罗斯", "Russland", "de la Russie", "Rusia", "ロシア"},
     {"Moscow", "莫斯科", "Moskau", "Moscou", "Moscú", "モスクワ"}},
    {{"Kenya", "肯尼亚", "Kenia", "du Kenya", "Kenia", "ケニア"},
     {"Nairobi", "内罗毕", "Nairobi", "Nairobi", "Nairobi", "ナイロビ"}},
    {{"Cuba", "古巴", "Kuba", "de Cuba", "Cuba", "キューバ"},
     {"Havana", "哈瓦那", "Havanna", "La Havane", "La Habana", "ハバナ"}},
    {{"Ireland", "爱尔兰", "Irland", "de l'Irlande", "Irlanda", "アイルランド"},
     {"Dublin", "都柏林", "Dublin", "Dublin", "Dublín", "ダブリン"}},
    {{"India", "印度", "Indien", "de l'Inde", "India", "インド"},
     {"New Delhi", "新德里", "Neu-Delhi", "New Delhi", "Nueva Delhi", "ニューデリー"}},
    {{"South Korea", "韩国", "Südkorea", "de la Corée du Sud", "Corea del Sur", "韓国"},
     {"Seoul", "首尔", "Seoul", "Séoul", "Seúl", "ソウル"}},
    {{"Hungary", "匈牙利", "Ungarn", "de la Hongrie", "Hungría", "ハンガリー"},
     {"Budapest", "布达佩斯", "Budapest", "Budapest", "Budapest", "ブダペスト"}},
    {{"Finland", "芬兰", "Finnland", "de la Finlande", "Finlandia", "フィンランド"},
     {"Helsinki", "赫尔辛基", "Helsinki", "Helsinki", "Helsinki", "ヘルシンキ"}},
    {{"Thailand", "泰国", "Thailand", "de la Thaïlande", "Tailandia", "タイ"},
     {"Bangkok", "曼谷", "Bangkok", "Bangkok", "Bangkok", "バンコク"}},
};

constexpr Fact kColors[] = {
    {{"grass", "草", "Gras", "l'herbe", "la hierba", "草"}, {"green", "绿色", "grün", "vert", "verde", "緑"}},
    {{"snow", "雪", "Schnee", "la neige", "la nieve", "雪"}, {"white", "白色", "weiß", "blanc", "blanco", "白"}},
    {{"blood", "血", "Blut", "le sang", "la sangre", "血"}, {"red", "红色", "rot", "rouge", "rojo", "赤"}},
    {{"coal", "煤", "Kohle", "le charbon", "el carbón", "石炭"}, {"black", "黑色", "schwarz", "noir", "negro", "黒"}},
    {{"a banana", "香蕉", "eine Banane", "une banane", "un plátano", "バナナ"},
     {"yellow", "黄色", "gelb", "jaune", "amarillo", "黄色"}},
    {{"the sky", "天空", "der Himmel", "le ciel", "el cielo", "空"}, {"blue", "蓝色", "blau", "bleu", "azul", "青"}},
    {{"milk", "牛奶", "Milch", "le lait", "la leche", "牛乳"}, {"white", "白色", "weiß", "blanc", "blanco", "白"}},
    {{"a tomato", "番茄", "eine Tomate", "une tomate", "un tomate", "トマト"},
     {"red", "红色", "rot", "rouge", "rojo", "赤"}},
    {{"chocolate", "巧克力", "Schokolade", "le chocolat", "el chocolate", "チョコレート"},
     {"brown", "棕色", "braun", "brun", "marrón", "茶色"}},
    {{"a lemon", "柠檬", "eine Zitrone", "un citron", "un limón", "レモン"},
     {"yellow", "黄色", "gelb", "jaune", "amarillo", "黄色"}},
};

constexpr Fact kOpposites[] = {
    {{"big", "大", "groß", "grand", "grande", "大きい"}, {"small", "小", "klein", "petit", "pequeño", "小さい"}},
    {{"hot", "热", "heiß", "chaud", "caliente", "暑い"}, {"cold", "冷", "kalt", "froid", "frío", "寒い"}},
    {{"fast", "快", "schnell", "rapide", "rápido", "速い"}, {"slow", "慢", "langsam", "lent", "lento", "遅い"}},
    {{"old", "老", "alt", "vieux", "viejo", "老いた"}, {"young", "年轻", "jung", "jeune", "joven", "若い"}},
    {{"high", "高", "hoch", "haut", "alto", "高い"}, {"low", "低", "niedrig", "bas", "bajo", "低い"}},
    {{"long", "长", "lang", "long", "largo", "長い"}, {"short", "短", "kurz", "court", "corto", "短い"}},
    {{"light", "轻", "leicht", "léger", "ligero", "軽い"}, {"heavy", "重", "schwer", "lourd", "pesado", "重い"}},
    {{"full", "满", "voll", "plein", "lleno", "いっぱい"}, {"empty", "空", "leer", "vide", "vacío", "空っぽ"}},
    {{"rich", "富", "reich", "riche", "rico", "豊か"}, {"poor", "穷", "arm", "pauvre", "pobre", "貧しい"}},
    {{"open", "开", "offen", "ouvert", "abierto", "開いた"},
     {"closed", "关", "geschlossen", "fermé", "cerrado", "閉じた"}},
};

struct Table {
  std::span<const Fact> facts;
  ByLanguage ask;
  ByLanguage ask_also;
  ByLanguage answer;
};

const std::array<Table, kSimpleKinds> kTables = {{
    {kCapitals,
     {"What is the capital of {x}?|Which city is the capital of {x}?|Name the capital of {x}.|Capital of {x}?",
      "{x}的首都是哪里？|{x}的首都是什么？|{x}首都是哪个城市？",
      "Was ist die Hauptstadt von {x}?|Wie heißt die Hauptstadt von {x}?|Nenne die Hauptstadt von {x}.",
      "Quelle est la capitale {x} ?|Comment s'appelle la capitale {x} ?|Donne la capitale {x}.",
      "¿Cuál es la capital de {x}?|¿Qué ciudad es la capital de {x}?|Dime la capital de {x}.",
      "{x}の首都はどこですか？|{x}の首都は？|{x}の首都は何ですか？"},
     {"And of {x}?|And the capital of {x}?|What about {x}?|And {x}?", "那{x}呢？|{x}呢？",
      "Und von {x}?|Und die von {x}?", "Et celle {x} ?|Et la capitale {x} ?", "¿Y la de {x}?|¿Y de {x}?",
      "では、{x}は？|{x}は？|{x}はどうですか？"},
     {"The capital of {x} is {y}.", "{x}的首都是{y}。", "Die Hauptstadt von {x} ist {y}.", "La capitale {x} est {y}.",
      "La capital de {x} es {y}.", "{x}の首都は{y}です。"}},
    {kColors,
     {"What color is {x}?|Which color is {x}?|What is the color of {x}?", "{x}是什么颜色？|{x}是什么颜色的？",
      "Welche Farbe hat {x}?|Was für eine Farbe hat {x}?", "De quelle couleur est {x} ?|Quelle couleur a {x} ?",
      "¿De qué color es {x}?|¿Qué color tiene {x}?", "{x}は何色ですか？|{x}の色は何ですか？"},
     {"And {x}?|What about {x}?", "那{x}呢？|{x}呢？", "Und {x}?|Und was ist mit {x}?", "Et {x} ?", "¿Y {x}?",
      "では、{x}は？|{x}は？"},
     {"The color of {x} is {y}.", "{x}是{y}的。", "Die Farbe ist {y}.", "La couleur est le {y}.", "Es de color {y}.",
      "{x}は{y}です。"}},
    {kOpposites,
     {"What is the opposite of {x}?|Give me the opposite of {x}.|Opposite of {x}?",
      "“{x}”的反义词是什么？|{x}的反义词？", "Was ist das Gegenteil von {x}?|Nenne das Gegenteil von {x}.",
      "Quel est le contraire de « {x} » ?|Donne le contraire de « {x} ».",
      "¿Cuál es el contrario de «{x}»?|Dime lo contrario de «{x}».", "「{x}」の反対は何ですか？|「{x}」の反対は？"},
     {"And of {x}?|And the opposite of {x}?", "那“{x}”呢？|“{x}”呢？", "Und von {x}?|Und das von {x}?",
      "Et de « {x} » ?", "¿Y de «{x}»?", "では、「{x}」は？|「{x}」は？"},
     {"The opposite of {x} is {y}.", "“{x}”的反义词是“{y}”。", "Das Gegenteil von {x} ist {y}.",
      "Le contraire de « {x} » est « {y} ».", "El contrario de «{x}» es «{y}».", "「{x}」の反対は「{y}」です。"}},
}};

const Table& TableOf(const SimpleQuestion& question) { return kTables[static_cast<size_t>(question.kind)]; }

const Fact& FactOf(const SimpleQuestion& question) { return TableOf(question).facts[question.thing]; }

std::string AskAbout(const SimpleQuestion& question, Language language, std::string_view phrasing) {
  return Fill(phrasing, {{"x", In(FactOf(question).thing, language)}});
}

std::vector<std::string> TrainedPhrasings(const SimpleQuestion& question, Language language) {
  return TrainedAlternatives(In(TableOf(question).ask, language), [&](std::string_view phrasing) {
    return FactKey(AskAbout(question, language, phrasing));
  });
}

}  // namespace

SimpleQuestion PickSimpleQuestion(CorpusRandom& random, Language language, SimpleQuestion::Kind kind) {
  while (true) {
    const SimpleQuestion question = {kind, random.Below(kTables[static_cast<size_t>(kind)].facts.size())};
    if (!TrainedPhrasings(question, language).empty()) return question;
  }
}

SimpleQuestion PickSimpleQuestion(CorpusRandom& random, Language language) {
  return PickSimpleQuestion(random, language, static_cast<SimpleQuestion::Kind>(random.Below(kSimpleKinds)));
}

std::string AskFully(CorpusRandom& random, const SimpleQuestion& question, Language language) {
  return AskAbout(question, language, random.Pick(TrainedPhrasings(question, language)));
}

std::string AskAlso(CorpusRandom& random, const SimpleQuestion& question, Language language) {
  return AskAbout(question, language, Alternative(random, In(TableOf(question).ask_also, language)));
}

std::string AnswerFully(const SimpleQuestion& question, Language language) {
  return Fill(In(TableOf(question).answer, language),
              {{"x", In(FactOf(question).thing, language)}, {"y", In(FactOf(question).answer, language)}});
}

std::string AnswerShortly(const SimpleQuestion& question, Language language) {
  return std::string(In(FactOf(question).answer, language));
}

}  // namespace fathom
