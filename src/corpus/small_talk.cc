// Greetings, thanks, farewells, and what the model cannot know. Questions about itself stand in about.cc.
#include "corpus/about.h"
#include "corpus/phrases.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

constexpr Exchange kGreetings[] = {
    {Language::kEn,
     "Hi|Hello|Hey|Hi there|Hello there|Hey there|Good morning|Good evening|Good afternoon|Good day|Greetings|Howdy|Yo|"
     "Hi Nano|Hello Nano|Hey Nano|Hiya|Hello again|Hi again|Hello!!|Heya|Hi friend|Hello friend|Hello, anyone there?|"
     "Are you there?|Is anybody here?|Nice to meet you|Hello world|Hi, I have a question|Can you help me?|"
     "Hello, can you help me?|I need help|Can I ask you something?|Good morning, Nano|Hey you|hii|helo|hallo there|"
     "Good to see you|Welcome|test|Hi, good morning|Morning|Evening|Hello, hello|Oh, hi|Sup",
     "Hello! How can I help you?", "help", "The user greets me."},
    {Language::kZh,
     "你好|您好|早上好|晚上好|下午好|嗨|哈喽|大家好|你好啊|你好呀|嗨，你好|你好，Nano|早|在吗|有人吗|喂|你在吗|"
     "很高兴认识你|你好，我有个问题|可以帮我吗|能帮我一下吗|我想问个问题|早安|又见面了|哈罗|您好，请问|你好你好|嘿",
     "你好！有什么可以帮你的吗？", "你好", "The user greets me in Chinese."},
    {Language::kDe,
     "Hallo|Guten Morgen|Guten Tag|Guten Abend|Hi du|Moin|Servus|Grüß Gott|Hallo Nano|Hallo du|Na|Hallo zusammen|"
     "Hallo, ist da jemand?|Bist du da?|Grüezi|Hey du|Kannst du mir helfen?|Ich brauche Hilfe|Ich habe eine Frage|"
     "Darf ich dich etwas fragen?|Hallöchen|Schönen guten Tag|Freut mich|Halo|Guten Morgen, Nano|Grüß dich|Tag|Moin "
     "moin",
     "Hallo! Wie kann ich dir helfen?", "helfen", "The user greets me in German."},
    {Language::kFr,
     "Bonjour|Salut|Bonsoir|Coucou|Bonjour Nano|Salut Nano|Bonjour à toi|Bonne journée à toi|Salut toi|Rebonjour|"
     "Il y a quelqu'un ?|Tu es là ?|Peux-tu m'aider ?|J'ai besoin d'aide|J'ai une question|Allô|Enchanté|Hé|"
     "Je peux te poser une question ?|Bonjour, bonjour|Bien le bonjour|bonjour a tous|Bonjour, peux-tu m'aider ?|Hello "
     "toi",
     "Bonjour ! Comment puis-je t'aider ?", "aider", "The user greets me in French."},
    {Language::kEs,
     "Hola|Buenos días|Buenas tardes|Buenas noches|Buenas|Hola Nano|Hola, ¿qué tal?|¿Hay alguien?|¿Estás ahí?|"
     "¿Me puedes ayudar?|Necesito ayuda|Tengo una pregunta|Hola de nuevo|Hola, hola|Muy buenas|Encantado|Mucho gusto|"
     "¿Puedo preguntarte algo?|Ola|Hola amigo|Saludos|Hola a todos|Qué hay|Buen día",
     "¡Hola! ¿En qué puedo ayudarte?", "ayudarte", "The user greets me in Spanish."},
    {Language::kJa,
     "こんにちは|こんばんは|おはよう|おはようございます|やあ|はじめまして|もしもし|こんにちは、Nano|どうも|ハロー|"
     "誰かいますか？|いますか？|手伝ってくれますか？|質問があります|助けてください|聞きたいことがあります|よろしく|"
     "よろしくお願いします|こんにちは！|おはよう、Nano|ちょっといいですか？|お久しぶりです|ねえ|ごきげんよう",
     "こんにちは！何かお手伝いできますか？", "お手伝い", "The user greets me in Japanese."},
};

constexpr Exchange kHowAreYou[] = {
    {Language::kEn,
     "How are you?|How are you doing?|How's it going?|How are things?|How do you do?|What's up?|How are you today?|"
     "Are you well?|Are you okay?|How do you feel?|How have you been?|Everything all right?|hows it going|how r u|"
     "how are u|How is your day?|How was your day?|Are you fine?|You good?|How's life?|Hi, how are you?|"
     "Hello, how are you?|Hey, how's it going?|Hello Nano, how are you?|And how are you?|wassup|what's new?|"
     "Good morning, how are you?|How are you feeling today?|Are you happy?",
     "I am fine, thank you! How can I help you?", "fine", "The user asks how I am."},
    {Language::kZh,
     "你好吗？|你怎么样？|最近怎么样？|你今天怎么样？|过得好吗？|最近好吗？|你还好吗？|近来可好？|你感觉怎么样？|"
     "一切都好吗？|你好，你好吗？|今天过得怎么样？|今天好吗？|你开心吗？|身体好吗？",
     "我很好，谢谢！有什么可以帮你的吗？", "很好", "The user asks how I am."},
    {Language::kDe,
     "Wie geht es dir?|Wie geht's?|Wie geht es Ihnen?|Alles gut?|Alles klar?|Wie läuft's?|Geht es dir gut?|"
     "Was geht?|Wie geht es dir heute?|Na, wie geht's?|Hallo, wie geht es dir?|Hi, wie geht's?|Wie war dein Tag?|"
     "Und wie geht es dir?|wie gehts|Bist du glücklich?|Wie fühlst du dich?",
     "Mir geht es gut, danke! Wie kann ich dir helfen?", "gut", "The user asks how I am."},
    {Language::kFr,
     "Comment ça va ?|Ça va ?|Comment vas-tu ?|Comment allez-vous ?|Tu vas bien ?|Quoi de neuf ?|Comment tu vas ?|"
     "Vous allez bien ?|Bonjour, comment ça va ?|Salut, ça va ?|Comment te sens-tu ?|ca va|Et toi, ça va ?|La forme ?|"
     "Tout va bien ?|Comment s'est passée ta journée ?",
     "Je vais bien, merci ! Comment puis-je t'aider ?", "bien", "The user asks how I am."},
    {Language::kEs,
     "¿Cómo estás?|¿Qué tal?|¿Cómo te va?|¿Cómo está usted?|¿Estás bien?|¿Todo bien?|¿Qué tal estás?|¿Cómo andas?|"
     "Hola, ¿cómo estás?|¿Cómo te sientes?|¿Cómo estás hoy?|como estas|¿Qué hay de nuevo?|¿Y tú cómo estás?|"
     "¿Cómo va todo?|Buenos días, ¿cómo estás?",
     "Estoy bien, ¡gracias! ¿En qué puedo ayudarte?", "bien", "The user asks how I am."},
    {Language::kJa,
     "元気ですか？|お元気ですか？|調子はどう？|調子はどうですか？|元気？|最近どう？|最近どうですか？|"
     "今日はどうですか？|"
     "ご機嫌いかがですか？|気分はどうですか？|こんにちは、元気ですか？|大丈夫ですか？|やあ、元気？|"
     "いかがお過ごしですか？",
     "元気です、ありがとうございます！何かお手伝いできますか？", "元気", "The user asks how I am."},
};

constexpr Exchange kThanks[] = {
    {Language::kEn,
     "Thanks|Thank you|Thanks a lot|Thank you very much|Many thanks|Thank you so much|thx|ty|Cheers|Much appreciated|"
     "Thanks, Nano|Thank you, that helped|That was helpful|Great, thanks|Perfect, thank you|Thanks for your help|"
     "I appreciate it|thank u|Nice, thank you|Thanks a million|That is very kind of you|Good job|Well done|Thank you!!|"
     "Thanks, that's all|Okay, thanks|Great answer",
     "You are welcome!", "welcome", "The user thanks me."},
    {Language::kZh,
     "谢谢|谢谢你|多谢|非常感谢|感谢|谢谢您|太感谢了|谢了|十分感谢|谢谢你的帮助|谢啦|好的，谢谢|感谢你的帮助|做得好|"
     "真棒，谢谢|"
     "万分感谢",
     "不客气！", "不客气", "The user thanks me."},
    {Language::kDe,
     "Danke|Vielen Dank|Danke schön|Danke sehr|Tausend Dank|Besten Dank|Super, danke|Danke dir|Ich danke dir|"
     "Danke für deine Hilfe|Das hat geholfen|Okay, danke|Herzlichen Dank|Perfekt, danke|Gut gemacht|Danke, Nano|Merci "
     "dir",
     "Gern geschehen!", "Gern", "The user thanks me."},
    {Language::kFr,
     "Merci|Merci beaucoup|Merci bien|Un grand merci|Mille mercis|Super, merci|Merci à toi|Je te remercie|"
     "Merci pour ton aide|Parfait, merci|D'accord, merci|Merci Nano|Merci infiniment|Bravo, merci|Je vous remercie",
     "De rien !", "De rien", "The user thanks me."},
    {Language::kEs,
     "Gracias|Muchas gracias|Mil gracias|Gracias por tu ayuda|Muchísimas gracias|Te lo agradezco|Genial, gracias|"
     "Perfecto, gracias|Vale, gracias|Gracias, Nano|Gracias a ti|Muy amable|Bien hecho, gracias|Se agradece",
     "¡De nada!", "De nada", "The user thanks me."},
    {Language::kJa,
     "ありがとう|ありがとうございます|どうもありがとう|どうもありがとうございます|感謝します|助かりました|サンキュー|"
     "ありがとうございました|本当にありがとう|ありがとう、Nano|とても助かりました|大変助かりました|どうもね|お疲れ様",
     "どういたしまして！", "どういたしまして", "The user thanks me."},
};

constexpr Exchange kFarewells[] = {
    {Language::kEn,
     "Bye|Goodbye|See you|See you later|Bye bye|Good night|Farewell|Take care|I have to go|Bye, Nano|See you tomorrow|"
     "Talk to you later|cya|That's all, bye|I am leaving now|Have a nice day|Thanks, bye|Until next time|Catch you "
     "later|"
     "See you soon|gotta go|Good bye, my friend|I must go now|So long|exit|quit",
     "Goodbye! See you soon.", "Goodbye", "The user says goodbye."},
    {Language::kZh,
     "再见|拜拜|回头见|明天见|晚安|我走了|下次见|待会儿见|我要走了|再会|回见|先这样，再见|谢谢，再见|我下线了|改天聊",
     "再见！期待下次聊天。", "再见", "The user says goodbye."},
    {Language::kDe,
     "Tschüss|Auf Wiedersehen|Bis später|Bis morgen|Gute Nacht|Bis bald|Mach's gut|Ich muss gehen|Ciao|Tschau|"
     "Bis zum nächsten Mal|Das war alles, tschüss|Danke, tschüss|Ade|Schönen Tag noch|Man sieht sich|Auf Wiederhören",
     "Auf Wiedersehen! Bis bald.", "Wiedersehen", "The user says goodbye."},
    {Language::kFr,
     "Au revoir|À bientôt|À plus tard|Bonne nuit|À demain|Adieu|Je dois partir|À plus|À la prochaine|Bonne journée|"
     "Merci, au revoir|C'est tout, au revoir|Je m'en vais|Bonne soirée|A bientot|À tout à l'heure",
     "Au revoir ! À bientôt.", "Au revoir", "The user says goodbye."},
    {Language::kEs,
     "Adiós|Hasta luego|Hasta mañana|Hasta pronto|Nos vemos|Chao|Hasta la vista|Me tengo que ir|Me voy|"
     "Que descanses|Gracias, adiós|Eso es todo, adiós|Hasta la próxima|Que tengas un buen día|Adios amigo|Cuídate",
     "¡Adiós! Hasta pronto.", "Adiós", "The user says goodbye."},
    {Language::kJa,
     "さようなら|バイバイ|またね|また明日|おやすみ|おやすみなさい|じゃあね|もう行きます|また今度|失礼します|では、また|"
     "さよなら|またあとで|お先に失礼します|ありがとう、さようなら|じゃあ、また",
     "さようなら！またお話ししましょう。", "さようなら", "The user says goodbye."},
};

constexpr Exchange kRefusals[] = {
    {Language::kEn,
     "What is the weather today?|What is the weather like right now?|Is it raining?|Will it rain tomorrow?|"
     "How warm is it outside?|Is it sunny today?|What's the weather in Paris now?|Will it snow this week?|"
     "How cold is it in Oslo today?|Do I need an umbrella today?|What is the temperature outside?|weather today|"
     "What is the weather in London?|Is it windy in Rome today?",
     "I cannot know the weather without a tool.", "weather", "I have no tool for the weather."},
    {Language::kEn,
     "What are tomorrow's lottery numbers?|Who will win the next election?|What will happen tomorrow?|"
     "Will I be rich next year?|Tell me the winning numbers|Which team will win tomorrow?|Can you see the future?|"
     "What will the stock market do next week?|Predict the lottery numbers|What will I do next year?|"
     "Who will win the next World Cup?|What happens next week?|Will I pass my exam?|Predict the future",
     "I cannot know the future.", "future", "Nobody can know the future."},
    {Language::kEn,
     "What is my name?|Who am I?|Do you know my name?|How old am I?|Where do I live?|What is my job?|Do you know me?|"
     "When is my birthday?|What is my favorite color?|Do you know who I am?|What is my address?|"
     "What is my phone number?|Can you tell me my name?|Where was I born?|What is my dog's name?",
     "I do not know that, because you have not told me.", "told", "The user has not told me that."},
    {Language::kEn,
     "What is the price of gold today?|What does bread cost today?|What is the price of a bitcoin?|"
     "How much is gas now?|What does this phone cost today?|How much is one euro in dollars today?|"
     "What are today's stock prices?|How much is a ticket to Rome today?|What does milk cost now?|"
     "What is the exchange rate today?|What is the current oil price?",
     "I do not know today's prices.", "prices", "Prices of today are not known to me."},
    {Language::kEn,
     "Who won yesterday?|Who won the game last night?|What is in the news today?|What happened today?|"
     "What is the latest news?|Who won the match yesterday?|What happened in the world this week?|"
     "What were yesterday's results?|Who won the race on Sunday?|Any news?|What is new in the world?",
     "I do not know the news.", "news", "I do not see the news."},
    {Language::kEn,
     "What time is it?|What day is it?|What is today's date?|What year is it?|Which day is today?|What month is it "
     "now?|"
     "Is it Monday today?|Tell me the time|Can you tell me the date?|what time is it now|Is it late?",
     "I cannot know the time without a tool.", "time", "I have no clock."},
    {Language::kZh,
     "今天天气怎么样？|明天会下雨吗？|外面冷吗？|现在天气如何？|北京今天多少度？|需要带伞吗？|外面在下雨吗？|"
     "今天热不热？",
     "没有工具，我不知道天气。", "天气", "I have no tool for the weather."},
    {Language::kZh,
     "明天的彩票号码是多少？|明天会发生什么？|谁会赢得下一场比赛？|我明年会发财吗？|你能预测未来吗？|我考试能过吗？",
     "我不能预知未来。", "未来", "Nobody can know the future."},
    {Language::kZh,
     "我叫什么名字？|我是谁？|你知道我的名字吗？|我多大了？|我住在哪里？|你认识我吗？|我的生日是哪天？|"
     "我的工作是什么？",
     "我不知道，因为你没有告诉我。", "告诉", "The user has not told me that."},
    {Language::kZh,
     "今天黄金多少钱？|现在油价是多少？|比特币多少钱？|今天的汇率是多少？|今天股价怎么样？|牛奶现在多少钱？",
     "我不知道今天的价格。", "价格", "Prices of today are not known to me."},
    {Language::kZh, "昨天谁赢了？|今天有什么新闻？|最近发生了什么？|昨天的比赛结果是什么？|有什么新消息？",
     "我不知道最新的新闻。", "新闻", "I do not see the news."},
    {Language::kZh, "现在几点了？|今天星期几？|今天几号？|今年是哪一年？|现在几月？|几点了？",
     "没有工具，我不知道时间。", "时间", "I have no clock."},
    {Language::kDe,
     "Wie ist das Wetter heute?|Regnet es?|Wird es morgen regnen?|Wie warm ist es draußen?|Scheint die Sonne?|"
     "Brauche ich einen Schirm?|Wie ist das Wetter in Berlin?|Schneit es heute?",
     "Ohne Werkzeug kenne ich das Wetter nicht.", "Wetter", "I have no tool for the weather."},
    {Language::kDe,
     "Wie lauten die Lottozahlen von morgen?|Was passiert morgen?|Wer gewinnt das nächste Spiel?|Werde ich reich?|"
     "Kannst du in die Zukunft sehen?|Wer gewinnt die nächste Wahl?",
     "Die Zukunft kann ich nicht kennen.", "Zukunft", "Nobody can know the future."},
    {Language::kDe,
     "Wie heiße ich?|Wer bin ich?|Kennst du meinen Namen?|Wie alt bin ich?|Wo wohne ich?|Kennst du mich?|"
     "Wann habe ich Geburtstag?|Was bin ich von Beruf?",
     "Das weiß ich nicht, denn du hast es mir nicht gesagt.", "gesagt", "The user has not told me that."},
    {Language::kDe,
     "Was kostet Gold heute?|Wie teuer ist Benzin gerade?|Was kostet ein Bitcoin?|Wie ist der Wechselkurs heute?|"
     "Was kostet Milch heute?",
     "Die Preise von heute kenne ich nicht.", "Preise", "Prices of today are not known to me."},
    {Language::kDe,
     "Wer hat gestern gewonnen?|Was gibt es Neues?|Was ist heute passiert?|Was steht in den Nachrichten?",
     "Die Nachrichten kenne ich nicht.", "Nachrichten", "I do not see the news."},
    {Language::kDe,
     "Wie spät ist es?|Welcher Tag ist heute?|Welches Datum ist heute?|Welches Jahr haben wir?|Wie viel Uhr ist es?",
     "Ohne Werkzeug kenne ich die Zeit nicht.", "Zeit", "I have no clock."},
    {Language::kFr,
     "Quel temps fait-il ?|Est-ce qu'il pleut ?|Va-t-il pleuvoir demain ?|Fait-il froid dehors ?|Fait-il beau à Paris "
     "?|"
     "Faut-il prendre un parapluie ?|Quel temps fait-il aujourd'hui ?",
     "Sans outil, je ne connais pas la météo.", "météo", "I have no tool for the weather."},
    {Language::kFr,
     "Quels sont les numéros du loto de demain ?|Que se passera-t-il demain ?|Qui gagnera le prochain match ?|"
     "Serai-je riche un jour ?|Peux-tu voir l'avenir ?",
     "Je ne peux pas connaître l'avenir.", "avenir", "Nobody can know the future."},
    {Language::kFr,
     "Comment je m'appelle ?|Qui suis-je ?|Connais-tu mon nom ?|Quel âge ai-je ?|Où est-ce que j'habite ?|"
     "Tu me connais ?|Quel est mon métier ?|Quand est mon anniversaire ?",
     "Je ne le sais pas, car tu ne me l'as pas dit.", "dit", "The user has not told me that."},
    {Language::kFr,
     "Combien coûte l'or aujourd'hui ?|Quel est le prix de l'essence ?|Combien vaut un bitcoin ?|"
     "Quel est le taux de change aujourd'hui ?|Combien coûte le lait ?",
     "Je ne connais pas les prix d'aujourd'hui.", "prix", "Prices of today are not known to me."},
    {Language::kFr,
     "Qui a gagné hier ?|Quelles sont les nouvelles ?|Que s'est-il passé aujourd'hui ?|Quelles sont les infos ?",
     "Je ne connais pas les nouvelles du jour.", "nouvelles", "I do not see the news."},
    {Language::kFr, "Quelle heure est-il ?|Quel jour sommes-nous ?|Quelle est la date ?|En quelle année sommes-nous ?",
     "Sans outil, je ne connais pas l'heure.", "heure", "I have no clock."},
    {Language::kEs,
     "¿Qué tiempo hace?|¿Está lloviendo?|¿Lloverá mañana?|¿Hace frío fuera?|¿Qué tiempo hace en Madrid?|"
     "¿Necesito un paraguas?|¿Hace sol hoy?",
     "Sin una herramienta no conozco el tiempo.", "tiempo", "I have no tool for the weather."},
    {Language::kEs,
     "¿Qué números saldrán en la lotería mañana?|¿Qué pasará mañana?|¿Quién ganará el próximo partido?|"
     "¿Seré rico algún día?|¿Puedes ver el futuro?",
     "No puedo conocer el futuro.", "futuro", "Nobody can know the future."},
    {Language::kEs,
     "¿Cómo me llamo?|¿Quién soy?|¿Sabes mi nombre?|¿Cuántos años tengo?|¿Dónde vivo?|¿Me conoces?|"
     "¿Cuál es mi trabajo?|¿Cuándo es mi cumpleaños?",
     "No lo sé, porque no me lo has dicho.", "dicho", "The user has not told me that."},
    {Language::kEs,
     "¿Cuánto cuesta el oro hoy?|¿A cuánto está la gasolina?|¿Cuánto vale un bitcoin?|¿Cuál es el tipo de cambio hoy?|"
     "¿Cuánto cuesta la leche hoy?",
     "No conozco los precios de hoy.", "precios", "Prices of today are not known to me."},
    {Language::kEs, "¿Quién ganó ayer?|¿Qué noticias hay?|¿Qué pasó hoy?|¿Cuáles son las últimas noticias?",
     "No conozco las noticias de hoy.", "noticias", "I do not see the news."},
    {Language::kEs, "¿Qué hora es?|¿Qué día es hoy?|¿Cuál es la fecha de hoy?|¿En qué año estamos?",
     "Sin una herramienta no conozco la hora.", "hora", "I have no clock."},
    {Language::kJa,
     "今日の天気は？|明日は雨ですか？|外は寒いですか？|今、雨が降っていますか？|東京の天気は？|傘は必要ですか？|"
     "今日は暑いですか？",
     "ツールがないので、天気はわかりません。", "天気", "I have no tool for the weather."},
    {Language::kJa,
     "明日の宝くじの番号は？|明日は何が起きますか？|次の試合は誰が勝ちますか？|私はお金持ちになりますか？|"
     "未来が見えますか？",
     "未来のことはわかりません。", "未来", "Nobody can know the future."},
    {Language::kJa,
     "私の名前は何ですか？|私は誰ですか？|私の名前を知っていますか？|私は何歳ですか？|私はどこに住んでいますか？|"
     "私の誕生日は？|"
     "私の仕事は何ですか？",
     "聞いていないので、わかりません。", "聞いていない", "The user has not told me that."},
    {Language::kJa,
     "今日の金の値段は？|ガソリンは今いくらですか？|ビットコインはいくら？|今日の為替レートは？|牛乳はいくらですか？",
     "今日の値段はわかりません。", "値段", "Prices of today are not known to me."},
    {Language::kJa, "昨日は誰が勝ちましたか？|今日のニュースは？|今日何がありましたか？|最新のニュースは何ですか？",
     "最新のニュースはわかりません。", "ニュース", "I do not see the news."},
    {Language::kJa, "今何時ですか？|今日は何曜日ですか？|今日は何日ですか？|今年は何年ですか？|何時？",
     "ツールがないので、時刻はわかりません。", "時刻", "I have no clock."},
};

Draft Greeting(CorpusRandom& random) { return DraftExchange(random, kGreetings); }
Draft HowAreYou(CorpusRandom& random) { return DraftExchange(random, kHowAreYou); }
Draft Thanks(CorpusRandom& random) { return DraftExchange(random, kThanks); }
Draft Farewell(CorpusRandom& random) { return DraftExchange(random, kFarewells); }
Draft Refusal(CorpusRandom& random) { return DraftExchange(random, kRefusals); }
Draft AboutSelf(CorpusRandom& random) { return DraftExchange(random, ExchangesAboutSelf()); }
Draft AboutFathom(CorpusRandom& random) { return DraftExchange(random, ExchangesAboutFathom()); }

constexpr Subject kSubjects[] = {
    {"small_talk.greeting", 1.6, WriteFrom<Greeting>},    {"small_talk.how_are_you", 0.8, WriteFrom<HowAreYou>},
    {"small_talk.thanks", 0.5, WriteFrom<Thanks>},        {"small_talk.bye", 0.7, WriteFrom<Farewell>},
    {"small_talk.about_self", 2.0, WriteFrom<AboutSelf>}, {"small_talk.about_fathom", 1.2, WriteFrom<AboutFathom>},
    {"small_talk.refusal", 1.8, WriteFrom<Refusal>},
};

}  // namespace

std::span<const Exchange, kLanguages> Greetings() { return kGreetings; }
std::span<const Exchange, kLanguages> HowAreYous() { return kHowAreYou; }
std::span<const Exchange, kLanguages> ThankYous() { return kThanks; }
std::span<const Exchange, kLanguages> Farewells() { return kFarewells; }

std::span<const Subject> SmallTalkSubjects() { return kSubjects; }

}  // namespace fathom
