// Lists and words taken apart: copied, turned round, sorted, spelt, counted.
#include "base/strings.h"

#include <algorithm>
#include <iterator>

#include "corpus/phrases.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

constexpr std::string_view kWords[] = {
    "apple",  "river",   "stone",  "cloud",  "table",  "green",  "tiger",  "music",  "paper",  "light",   "house",
    "bread",  "chair",   "water",  "plant",  "horse",  "snow",   "fire",   "moon",   "star",   "tree",    "bird",
    "fish",   "lamp",    "door",   "king",   "ring",   "gold",   "milk",   "salt",   "wind",   "rain",    "sand",
    "ship",   "book",    "hand",   "foot",   "road",   "city",   "farm",   "lake",   "hill",   "wolf",    "bear",
    "frog",   "duck",    "rose",   "leaf",   "corn",   "rice",   "cake",   "soup",   "pear",   "plum",    "lemon",
    "grape",  "melon",   "mango",  "cherry", "orange", "banana", "carrot", "onion",  "pepper", "tomato",  "garden",
    "window", "kitchen", "bottle", "button", "candle", "circle", "dragon", "engine", "flower", "guitar",  "hammer",
    "island", "jacket",  "ladder", "mirror", "needle", "pencil", "rabbit", "silver", "summer", "winter",  "spring",
    "turtle", "violet",  "yellow", "zebra",  "piano",  "robot",  "rocket", "planet", "ocean",  "forest",  "desert",
    "valley", "bridge",  "castle", "market", "school", "doctor", "farmer", "sailor", "baker",  "painter", "teacher"};

constexpr ByLanguage kAskCopy = {
    "Repeat exactly: {s}|Copy this: {s}|Say this again: {s}|Repeat after me: {s}|Write the same again: {s}|Repeat: {s}|"
    "Copy: {s}|Echo this text: {s}",
    "请原样重复：{s}|重复：{s}|抄写：{s}|照写一遍：{s}|跟我说：{s}",
    "Wiederhole genau: {s}|Schreibe das noch einmal: {s}|Kopiere: {s}|Sprich mir nach: {s}|Wiederhole: {s}",
    "Répète exactement : {s}|Recopie : {s}|Répète après moi : {s}|Répète : {s}",
    "Repite exactamente: {s}|Copia esto: {s}|Repite después de mí: {s}|Repite: {s}",
    "そのまま繰り返してください：{s}|繰り返して：{s}|写してください：{s}|同じように書いて：{s}",
};
constexpr ByLanguage kAskReverse = {
    "Reverse this list: {s}|Write in reverse order: {s}|Turn the order around: {s}|Reverse: {s}|Say it backwards: {s}|"
    "List from last to first: {s}",
    "把顺序倒过来：{s}|倒序写出：{s}|反过来写：{s}",
    "Drehe die Reihenfolge um: {s}|Schreibe rückwärts: {s}|Kehre die Liste um: {s}",
    "Inverse l'ordre : {s}|Écris dans l'ordre inverse : {s}",
    "Invierte el orden: {s}|Escribe al revés: {s}",
    "順番を逆にしてください：{s}|逆順に書いて：{s}",
};
constexpr ByLanguage kAskSortUp = {
    "Sort these numbers: {s}|Sort in ascending order: {s}|Put in order, smallest first: {s}|Sort: {s}|"
    "Order from small to large: {s}",
    "从小到大排列：{s}|把这些数字从小到大排序：{s}|升序排列：{s}",
    "Sortiere aufsteigend: {s}|Sortiere diese Zahlen: {s}|Ordne von klein nach groß: {s}",
    "Trie par ordre croissant : {s}|Range du plus petit au plus grand : {s}",
    "Ordena de menor a mayor: {s}|Ordena estos números: {s}",
    "小さい順に並べてください：{s}|昇順に並べて：{s}",
};
constexpr ByLanguage kAskSortDown = {
    "Sort in descending order: {s}|Put in order, largest first: {s}|Order from large to small: {s}",
    "从大到小排列：{s}|降序排列：{s}",
    "Sortiere absteigend: {s}|Ordne von groß nach klein: {s}",
    "Trie par ordre décroissant : {s}|Range du plus grand au plus petit : {s}",
    "Ordena de mayor a menor: {s}",
    "大きい順に並べてください：{s}|降順に並べて：{s}",
};
constexpr ByLanguage kAskAlphabet = {
    "Sort these words alphabetically: {s}|Put these words in alphabetical order: {s}|Sort by the alphabet: {s}",
    "按字母顺序排列：{s}",
    "Sortiere alphabetisch: {s}|Ordne diese Wörter nach dem Alphabet: {s}",
    "Trie par ordre alphabétique : {s}",
    "Ordena alfabéticamente: {s}",
    "アルファベット順に並べてください：{s}",
};
constexpr ByLanguage kAskSpell = {
    "Spell the word {s}.|How do you spell {s}?|Spell: {s}|Write {s} letter by letter.|Spell {s} with dashes.",
    "{s}怎么拼写？|请拼写：{s}",
    "Buchstabiere {s}.|Wie buchstabiert man {s}?",
    "Épelle {s}.|Comment épelle-t-on {s} ?",
    "Deletrea {s}.|¿Cómo se deletrea {s}?",
    "{s}のつづりは？|{s}を一文字ずつ書いてください。",
};
constexpr ByLanguage kAskJoin = {
    "Which word is this: {s}?|What word do these letters make: {s}?|Join the letters: {s}|Read this word: {s}",
    "这是哪个单词：{s}？|把字母连起来：{s}",
    "Welches Wort ist das: {s}?|Setze zusammen: {s}",
    "Quel mot est-ce : {s} ?",
    "¿Qué palabra es: {s}?",
    "これは何の単語ですか：{s}",
};
constexpr ByLanguage kAskCount = {
    "How many items are in this list: {s}?|Count the items: {s}|How many words are here: {s}?|How long is this list: "
    "{s}?",
    "这个列表有几项：{s}？|数一数有几个：{s}",
    "Wie viele Einträge hat diese Liste: {s}?|Zähle: {s}",
    "Combien d'éléments y a-t-il : {s} ?",
    "¿Cuántos elementos hay: {s}?",
    "いくつありますか：{s}",
};
// {n} is a cardinal in Chinese and Japanese, and an ordinal elsewhere.
constexpr ByLanguage kAskNth = {
    "What is the {n} item of this list: {s}?|Which is the {n} one: {s}?|Give me the {n} item: {s}",
    "第{n}个是什么：{s}？|列表的第{n}项是什么：{s}？",
    "Was ist der {n} Eintrag dieser Liste: {s}?|Nenne den {n} Eintrag: {s}",
    "Quel est le {n} élément : {s} ?",
    "¿Cuál es el {n} elemento: {s}?",
    "{n}番目は何ですか：{s}",
};
constexpr ByLanguage kOrdinals = {
    "first|second|third|fourth|fifth|sixth",           "一|二|三|四|五|六",
    "ersten|zweiten|dritten|vierten|fünften|sechsten", "premier|deuxième|troisième|quatrième|cinquième|sixième",
    "primer|segundo|tercer|cuarto|quinto|sexto",       "1|2|3|4|5|6",
};
constexpr ByLanguage kAskLast = {
    "What is the last item of this list: {s}?|Which one is last: {s}?",
    "最后一个是什么：{s}？",
    "Was ist der letzte Eintrag: {s}?",
    "Quel est le dernier élément : {s} ?",
    "¿Cuál es el último elemento: {s}?",
    "最後は何ですか：{s}",
};

using Items = std::vector<std::string>;

std::string Join(const Items& items, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) out += StrCat(i == 0 ? "" : separator, items[i]);
  return out;
}

// Mostly few items: short lists are the common question.
size_t DrawLength(CorpusRandom& random, int64_t low, int64_t high) {
  const int64_t first = random.Between(low, high);
  const int64_t second = random.Between(low, high);
  return static_cast<size_t>(std::min(first, second));
}

std::string Letter(CorpusRandom& random) { return std::string(1, static_cast<char>('a' + random.Below(26))); }

// Words, letters, digits or numbers, all of one kind.
Items DrawItems(CorpusRandom& random, size_t count, bool* numbers) {
  Items items;
  const uint64_t kind = random.Below(5);
  *numbers = kind == 3 || kind == 4;
  for (size_t i = 0; i < count; ++i) {
    switch (kind) {
      case 0:
      case 1:
        items.emplace_back(random.Pick(kWords));
        break;
      case 2:
        items.push_back(Letter(random));
        break;
      case 3:
        items.push_back(Digits(random, 1));
        break;
      default:
        items.push_back(StrCat(random.Between(0, 99)));
        break;
    }
  }
  return items;
}

std::string_view DrawSeparator(CorpusRandom& random) { return random.Chance(0.5) ? " " : ", "; }

Draft Ask(CorpusRandom& random, const ByLanguage& asks, std::string_view list, std::string answer,
          std::string thought = "") {
  const Language language = PickLanguage(random);
  Draft draft;
  draft.key = StrCat("strings:", list);
  std::string question = Fill(Alternative(random, In(asks, language)), {{"s", list}});
  draft.dialogue = QuestionAndAnswer(language, std::move(question), answer);
  draft.dialogue.check = AnswerCheck::kExact;
  draft.dialogue.expected = std::move(answer);
  if (!thought.empty()) MaybeThink(random, 0.3, std::move(thought), &draft.dialogue);
  MaybeSystem(random, 0.06, language, &draft.dialogue);
  return draft;
}

Draft Copy(CorpusRandom& random) {
  bool numbers = false;
  const Items items = DrawItems(random, DrawLength(random, 2, 20), &numbers);
  const std::string list = Join(items, DrawSeparator(random));
  return Ask(random, kAskCopy, list, list);
}

Draft Reverse(CorpusRandom& random) {
  bool numbers = false;
  Items items = DrawItems(random, DrawLength(random, 2, 10), &numbers);
  const std::string_view separator = DrawSeparator(random);
  const std::string list = Join(items, separator);
  std::reverse(items.begin(), items.end());
  return Ask(random, kAskReverse, list, Join(items, separator));
}

// The thought takes the smallest item away, one after the other.
std::string ThinkSort(Items left, const Items& sorted) {
  std::string thought;
  for (const std::string& next : sorted) {
    thought += StrCat(thought.empty() ? "" : "\n", Join(left, " "), " → ", next);
    left.erase(std::find(left.begin(), left.end(), next));
  }
  return thought;
}

Draft SortNumbers(CorpusRandom& random) {
  Items items;
  const size_t count = DrawLength(random, 3, 8);
  const int64_t high = random.Chance(0.5) ? 20 : 99;
  std::vector<int64_t> values;
  while (values.size() < count) {
    const int64_t value = random.Between(0, high);
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }
  for (const int64_t value : values) items.push_back(StrCat(value));
  const bool up = random.Chance(0.7);
  std::sort(values.begin(), values.end());
  if (!up) std::reverse(values.begin(), values.end());
  Items sorted;
  for (const int64_t value : values) sorted.push_back(StrCat(value));
  const std::string_view separator = DrawSeparator(random);
  const std::string list = Join(items, separator);
  return Ask(random, up ? kAskSortUp : kAskSortDown, list, Join(sorted, separator), ThinkSort(items, sorted));
}

Draft SortWords(CorpusRandom& random) {
  Items items;
  const size_t count = DrawLength(random, 3, 6);
  while (items.size() < count) {
    std::string word(random.Pick(kWords));
    if (std::find(items.begin(), items.end(), word) == items.end()) items.push_back(std::move(word));
  }
  Items sorted = items;
  std::sort(sorted.begin(), sorted.end());
  const std::string_view separator = DrawSeparator(random);
  return Ask(random, kAskAlphabet, Join(items, separator), Join(sorted, separator), ThinkSort(items, sorted));
}

// Half known words, half made-up ones, which have to be taken apart by their pieces.
std::string DrawWord(CorpusRandom& random) {
  return random.Chance(0.5) ? std::string(random.Pick(kWords)) : Lower(MadeUpName(random));
}

std::string Spelt(std::string_view word) {
  Items letters;
  for (const char letter : word) letters.emplace_back(1, letter);
  return Join(letters, "-");
}

Draft Spell(CorpusRandom& random) {
  const std::string word = DrawWord(random);
  return Ask(random, kAskSpell, word, Spelt(word));
}

Draft JoinLetters(CorpusRandom& random) {
  const std::string word = DrawWord(random);
  return Ask(random, kAskJoin, Spelt(word), word);
}

Draft Count(CorpusRandom& random) {
  bool numbers = false;
  const Items items = DrawItems(random, DrawLength(random, 2, 12), &numbers);
  std::string thought;
  for (size_t i = 0; i < items.size(); ++i) thought += StrCat(i == 0 ? "" : ", ", items[i], " ", i + 1);
  return Ask(random, kAskCount, Join(items, numbers ? ", " : DrawSeparator(random)), StrCat(items.size()), thought);
}

Draft Nth(CorpusRandom& random) {
  bool numbers = false;
  const Items items = DrawItems(random, DrawLength(random, 3, 9), &numbers);
  const std::string list = Join(items, ", ");
  if (random.Chance(0.2)) return Ask(random, kAskLast, list, items.back());
  const size_t at = random.Below(std::min<size_t>(items.size(), 6));
  const Language language = PickLanguage(random);
  const std::string ordinal(Alternatives(In(kOrdinals, language))[at]);
  std::string question = Fill(Alternative(random, In(kAskNth, language)), {{"n", ordinal}, {"s", list}});
  Draft draft;
  draft.key = StrCat("strings:", list);
  draft.dialogue = QuestionAndAnswer(language, std::move(question), items[at]);
  draft.dialogue.check = AnswerCheck::kExact;
  draft.dialogue.expected = items[at];
  return draft;
}

constexpr Subject kSubjects[] = {
    {"strings.copy", 3.6, WriteFrom<Copy>},
    {"strings.reverse", 2.0, WriteFrom<Reverse>},
    {"strings.sort_numbers", 1.8, WriteFrom<SortNumbers>},
    {"strings.sort_words", 1.6, WriteFrom<SortWords>},
    {"strings.spell", 2.6, WriteFrom<Spell>},
    {"strings.join", 2.2, WriteFrom<JoinLetters>},
    {"strings.count", 1.0, WriteFrom<Count>},
    {"strings.nth", 2.0, WriteFrom<Nth>},
};

}  // namespace

std::span<const Subject> StringSubjects() { return kSubjects; }

}  // namespace fathom
