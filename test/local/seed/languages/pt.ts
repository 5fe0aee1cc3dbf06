import type { Language } from './language.ts'

export const portuguese: Language = {
  locales: ['pt-BR', 'pt-BR', 'pt-PT'],
  givenNames: ['Ana', 'Bento', 'Caio', 'Débora', 'Enzo', 'Flávia', 'Heitor', 'Íris', 'João', 'Lívia'],
  familyNames: ['Araújo', 'Barros', 'Cunha', 'Duarte', 'Falcão', 'Leal', 'Moraes', 'Prado', 'Teles', 'Vidal'],
  fullName: '{given} {family}',
  interests: [
    'trilhas',
    'café especial',
    'finanças pessoais',
    'violão',
    'horta em casa',
    'xadrez',
    'corrida de rua',
    'desenho',
    'planilhas',
    'entrevista de emprego',
  ],
  topics: [
    'Primeiros passos: {subject}',
    'Erros comuns em {subject}',
    '{subject} gastando pouco',
    'Meu plano do mês: {subject}',
    'Perguntas sobre {subject}',
  ],
  agents: [
    {
      title: 'Parceiro de {subject}',
      description: 'Define metas da semana e acompanha você.',
      role: 'Você acompanha iniciantes em {subject}. Pergunte o que já foi feito e sugira um único passo.',
      tag: 'metas',
    },
    {
      title: '{subject} sem complicação',
      description: 'Explica {subject} com palavras simples.',
      role: 'Você explica {subject} com frases curtas e um exemplo do dia a dia.',
      tag: 'aprender',
    },
  ],
  rules: [
    'Não invente dados; diga quando não souber.',
    'Responda em até 150 palavras.',
    'Faça uma pergunta de cada vez.',
    'Termine com algo para tentar hoje.',
  ],
  openings: ['Oi! Me conte como anda {subject} e seguimos daí.'],
  questions: ['Como começo em {subject}?', 'Do que preciso para {subject}?', 'O que devo evitar?'],
}
