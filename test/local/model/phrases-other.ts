import type { Phrases } from './phrases.ts'

const it: Phrases = {
  topic: 'la tua idea',
  sentences: [
    'Ti do il benvenuto! Sono qui per aiutarti con {topic}.',
    'Dimmi di che cosa hai bisogno e procederemo con {topic} passo dopo passo.',
    'Posso spiegare, confrontare e migliorare tutto ciò che riguarda {topic}.',
    'Chiedimi di {topic} quando vuoi.',
  ],
  questions: [
    'Come inizio con {topic}?',
    'Che cosa dovrei sapere prima di {topic}?',
    'Quali errori con {topic} posso evitare?',
    'Mi mostri un esempio di {topic}?',
    'Come posso migliorare in {topic}?',
    'Che cosa c’è di nuovo su {topic}?',
  ],
  prompts: [
    'Spiegami {topic} con parole semplici',
    'Prepara un piano per {topic}',
    'Dammi tre idee su {topic}',
    'Riassumi le novità su {topic}',
    'Confronta le opzioni per {topic}',
    'Scrivi un breve testo su {topic}',
  ],
}

const ja: Phrases = {
  topic: 'あなたのアイデア',
  sentences: [
    'ようこそ！「{topic}」についてお手伝いします。',
    'ご希望を教えてください。「{topic}」を一歩ずつ進めましょう。',
    '「{topic}」に関することなら、説明も比較も改善もできます。',
    '「{topic}」について、いつでも聞いてください。',
  ],
  questions: [
    '「{topic}」はどう始めればいいですか?',
    '「{topic}」についてまず何を知るべきですか?',
    '「{topic}」で避けるべき失敗は何ですか?',
    '「{topic}」の例を見せてくれますか?',
    '「{topic}」を上達させるには?',
    '「{topic}」の最新情報は何ですか?',
  ],
  prompts: [
    '「{topic}」をやさしく説明して',
    '「{topic}」の計画を立てて',
    '「{topic}」のアイデアを三つ出して',
    '「{topic}」の最新情報をまとめて',
    '「{topic}」の選択肢を比べて',
    '「{topic}」について短い文章を書いて',
  ],
}

const zh: Phrases = {
  topic: '你的想法',
  sentences: [
    '欢迎！我可以帮助你处理“{topic}”。',
    '告诉我你的需要，我们一步一步完成“{topic}”。',
    '关于“{topic}”，我可以解释、比较和改进。',
    '随时可以问我关于“{topic}”的问题。',
  ],
  questions: [
    '如何开始“{topic}”?',
    '关于“{topic}”我应该先了解什么?',
    '“{topic}”有哪些常见错误可以避免?',
    '能给我一个“{topic}”的例子吗?',
    '怎样在“{topic}”方面做得更好?',
    '“{topic}”最近有什么新进展?',
  ],
  prompts: [
    '用简单的话解释“{topic}”',
    '为“{topic}”制定一个计划',
    '给我三个关于“{topic}”的点子',
    '总结“{topic}”的最新消息',
    '比较“{topic}”的几种选择',
    '写一段关于“{topic}”的短文',
  ],
}

const ko: Phrases = {
  topic: '당신의 아이디어',
  sentences: [
    '환영합니다! {topic}에 대해 도와드리겠습니다.',
    '필요한 것을 말씀해 주시면 {topic}을(를) 차근차근 진행하겠습니다.',
    '{topic}에 관한 것이라면 설명하고 비교하고 개선할 수 있습니다.',
    '{topic}에 대해 언제든지 물어보세요.',
  ],
  questions: [
    '{topic}은(는) 어떻게 시작하나요?',
    '{topic}에 대해 먼저 무엇을 알아야 하나요?',
    '{topic}에서 피해야 할 실수는 무엇인가요?',
    '{topic}의 예를 보여 줄 수 있나요?',
    '{topic}을(를) 더 잘하려면 어떻게 해야 하나요?',
    '{topic}의 새로운 소식은 무엇인가요?',
  ],
  prompts: [
    '{topic}을(를) 쉽게 설명해 줘',
    '{topic} 계획을 세워 줘',
    '{topic}에 대한 아이디어 세 가지를 알려 줘',
    '{topic}의 최신 소식을 요약해 줘',
    '{topic}의 선택지를 비교해 줘',
    '{topic}에 대한 짧은 글을 써 줘',
  ],
}

const ru: Phrases = {
  topic: 'ваша идея',
  sentences: [
    'Добро пожаловать! Я помогу вам с темой «{topic}».',
    'Расскажите, что вам нужно, и мы шаг за шагом займёмся темой «{topic}».',
    'Я могу объяснить, сравнить и улучшить всё, что касается темы «{topic}».',
    'Спрашивайте меня о теме «{topic}» в любое время.',
  ],
  questions: [
    'С чего начать тему «{topic}»?',
    'Что сначала нужно знать о теме «{topic}»?',
    'Каких ошибок в теме «{topic}» можно избежать?',
    'Можете показать пример по теме «{topic}»?',
    'Как лучше разобраться в теме «{topic}»?',
    'Что нового в теме «{topic}»?',
  ],
  prompts: [
    'Объясни простыми словами: {topic}',
    'Составь план: {topic}',
    'Предложи три идеи: {topic}',
    'Кратко расскажи новости: {topic}',
    'Сравни варианты: {topic}',
    'Напиши короткий текст: {topic}',
  ],
}

/** Italian, and the languages with scripts of their own. */
export const otherPhrases = { it, ja, zh, ko, ru }
