#include "corpus/lookup_filler.h"

#include "base/strings.h"

namespace fathom {
namespace {

constexpr ByLanguage kPatterns = {
    "On {d} {p} bought {n} {o} in {c}.|{p} and {q} met in {c} on {d}.|In the morning {p} reads a book about {o}.|"
    "The train from {c} to {e} takes {n} minutes.|{p} told {q} a story about {o}.|It was a quiet {d} in {c}.|"
    "{p} sold {n} {o} to {q}.|Nobody in {c} had seen so many {o}.|{p} has worked in {c} for {n} years.|"
    "Every {d} {p} walks to the river with {q}.|{q} forgot the {o} at home.|The market in {c} has {n} stands.|"
    "{p} would like to visit {c} with {q}.|There were {n} people on the square.|{p} writes a letter to {q} every {d}.|"
    "The old bridge of {c} is {n} meters long.|{p} painted a picture of {o}.|{q} asked {p} for some {o}.",
    "{d}{p}在{c}买了{n}个{o}。|{p}和{q}{d}在{c}见面。|从{c}到{e}的火车要{n}分钟。|{p}给{q}讲了一个关于{o}的故事。|"
    "{p}在{c}工作了{n}年。|{q}把{o}忘在家里了。|广场上有{n}个人。|{p}每个{d}都给{q}写信。|{p}想和{q}一起去{c}。|"
    "{p}卖给{q}{n}个{o}。|{c}的{d}很安静。|{c}的老桥有{n}米长。",
    "Am {d} kaufte {p} {n} {o} in {c}.|{p} und {q} trafen sich am {d} in {c}.|Der Zug von {c} nach {e} braucht {n} "
    "Minuten.|{p} erzählte {q} eine Geschichte.|{p} arbeitet seit {n} Jahren in {c}.|{q} hat die {o} vergessen.|"
    "Auf dem Platz waren {n} Leute.|Jeden {d} schreibt {p} einen Brief an {q}.|{p} möchte mit {q} nach {c} reisen.|"
    "{p} verkaufte {q} {n} {o}.|Es war ein ruhiger {d} in {c}.|Die alte Brücke in {c} ist {n} Meter lang.",
    "{d}, {p} a acheté {n} {o} à {c}.|{p} et {q} se sont vus {d} à {c}.|Le train de {c} à {e} met {n} minutes.|"
    "{p} a raconté une histoire à {q}.|{p} travaille à {c} depuis {n} ans.|{q} a oublié les {o} à la maison.|"
    "Il y avait {n} personnes sur la place.|Chaque {d}, {p} écrit une lettre à {q}.|{p} veut visiter {c} avec {q}.|"
    "{p} a vendu {n} {o} à {q}.|Le vieux pont de {c} fait {n} mètres.",
    "El {d} {p} compró {n} {o} en {c}.|{p} y {q} se vieron el {d} en {c}.|El tren de {c} a {e} tarda {n} minutos.|"
    "{p} contó una historia a {q}.|{p} trabaja en {c} desde hace {n} años.|{q} olvidó los {o} en casa.|"
    "Había {n} personas en la plaza.|Cada {d} {p} escribe una carta a {q}.|{p} quiere visitar {c} con {q}.|"
    "{p} vendió {n} {o} a {q}.|El viejo puente de {c} mide {n} metros.",
    "{d}に{p}さんは{c}で{o}を{n}個買いました。|{p}さんと{q}さんは{d}に{c}で会いました。|{c}から{e}まで電車で{n}"
    "分です。|"
    "{p}さんは{q}さんに話をしました。|{p}さんは{c}で{n}年働いています。|{q}さんは{o}を家に忘れました。|"
    "広場には{n}人いました。|{p}さんは毎週{d}に{q}さんに手紙を書きます。|{p}さんは{q}さんと{c}へ行きたいです。|"
    "{p}さんは{q}さんに{o}を{n}個売りました。|{c}の古い橋は{n}メートルです。",
};
constexpr ByLanguage kDays = {
    "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",  //
    "星期一|星期二|星期三|星期四|星期五|星期六|星期天",
    "Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Samstag|Sonntag",
    "lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche",
    "lunes|martes|miércoles|jueves|viernes|sábado|domingo",
    "月曜日|火曜日|水曜日|木曜日|金曜日|土曜日|日曜日",
};
constexpr ByLanguage kObjects = {
    "apples|books|pens|flowers|stones|eggs|pears|plates|shoes|stamps|candles|lemons|chairs|toys|maps|hats|nuts|shells",
    "苹果|鸡蛋|梨|盘子|杯子|柠檬|玩具|帽子|贝壳|面包|橙子|气球",
    "Äpfel|Bücher|Stifte|Blumen|Steine|Eier|Birnen|Teller|Schuhe|Kerzen|Zitronen|Hüte",
    "pommes|livres|stylos|fleurs|pierres|œufs|poires|assiettes|bougies|citrons|jouets|chapeaux",
    "libros|huevos|platos|zapatos|sellos|limones|juguetes|mapas|sombreros|lápices|tomates|relojes",
    "りんご|卵|梨|皿|コップ|レモン|おもちゃ|帽子|貝|パン|みかん|風船",
};

}  // namespace

std::string FillerSentence(CorpusRandom& random, Language language) {
  const std::string pattern = Alternative(random, In(kPatterns, language));
  const std::string day = Alternative(random, In(kDays, language));
  const std::string object = Alternative(random, In(kObjects, language));
  std::string sentence = Fill(pattern, {{"p", PersonName(random, language)},
                                        {"q", PersonName(random, language)},
                                        {"c", CityName(random, language)},
                                        {"e", CityName(random, language)},
                                        {"d", day},
                                        {"o", object},
                                        {"n", StrCat(random.Between(2, 99))}});
  if (language == Language::kFr && sentence.starts_with(day))
    sentence = Upper(sentence.substr(0, 1)) + sentence.substr(1);
  return sentence;
}

}  // namespace fathom
