import type { Language } from './language.ts'

export const japanese: Language = {
  locales: ['ja-JP'],
  givenNames: ['葵', '大輔', '恵美', '健', '真由', '直樹', '陸', '咲', '翼', '結衣'],
  familyNames: ['青木', '石田', '上野', '岡田', '川口', '佐野', '高木', '中野', '西村', '森田'],
  fullName: '{family} {given}',
  interests: [
    '登山',
    '手作りパン',
    '家計管理',
    '写真',
    '将棋',
    '家庭菜園',
    '英会話',
    '面接対策',
    'ピアノ',
    'プログラミング',
  ],
  topics: [
    '{subject}を始めたい',
    '{subject}でよくある失敗',
    '予算を抑えて{subject}を楽しむ',
    '今月の{subject}の計画',
    '{subject}についての質問',
  ],
  agents: [
    {
      title: '{subject}コーチ',
      description: '{subject}の目標を一緒に決めて続けられるよう支えます。',
      role: 'あなたは{subject}のコーチです。これまでの経験をたずね、次の一歩を一つだけ提案してください。',
      tag: 'コーチング',
    },
    {
      title: 'やさしい{subject}入門',
      description: '{subject}の疑問に分かりやすく答えます。',
      role: '初心者に{subject}を説明してください。短い文と身近な例を一つ使います。',
      tag: '学習',
    },
    {
      title: '{subject}の添削係 ✍️',
      description: '良い点と直す点をていねいに伝えます。',
      role: '{subject}に関する作品や文章を見て、良い点を二つ、改善点を三つ挙げてください。',
      tag: '添削',
    },
  ],
  rules: [
    '分からないことは分からないと答えてください。',
    '回答は三百字以内にまとめてください。',
    '質問は一度に一つだけにしてください。',
    'ですます調で話してください。',
    '最後に今日できることを一つ挙げてください。',
  ],
  openings: [
    'こんにちは。{subject}について、今の状況を教えてください。',
    'ようこそ。{subject}のことなら何でもどうぞ。',
  ],
  questions: ['{subject}は何から始めればいい？', '{subject}に必要なものは？', '避けたい失敗は？'],
}
