import type { Phrases } from './phrases.ts'

const en: Phrases = {
  topic: 'your idea',
  sentences: [
    'Welcome! I am here to help you with {topic}.',
    'Tell me what you need, and we will work on {topic} step by step.',
    'I can explain, compare and improve anything about {topic}.',
    'Ask me about {topic} whenever you like.',
  ],
  questions: [
    'How do I get started with {topic}?',
    'What should I know about {topic} first?',
    'Which mistakes with {topic} can I avoid?',
    'Could you show me an example of {topic}?',
    'How can I get better at {topic}?',
    'What is new in {topic}?',
  ],
  prompts: [
    'Explain {topic} to me in simple words',
    'Make a plan for {topic}',
    'Give me three ideas about {topic}',
    'Summarize the latest on {topic}',
    'Compare the options for {topic}',
    'Write a short text about {topic}',
  ],
}

const de: Phrases = {
  topic: 'deine Idee',
  sentences: [
    'Willkommen! Ich helfe dir gern bei: {topic}.',
    'Sag mir, was du brauchst, und wir gehen {topic} Schritt für Schritt an.',
    'Ich erkläre, vergleiche und verbessere alles rund um {topic}.',
    'Frag mich jederzeit etwas zu {topic}.',
  ],
  questions: [
    'Wie fange ich mit {topic} an?',
    'Was sollte ich über {topic} zuerst wissen?',
    'Welche Fehler bei {topic} kann ich vermeiden?',
    'Kannst du mir ein Beispiel für {topic} zeigen?',
    'Wie werde ich besser bei {topic}?',
    'Was gibt es Neues zu {topic}?',
  ],
  prompts: [
    'Erkläre mir {topic} in einfachen Worten',
    'Mach einen Plan für {topic}',
    'Gib mir drei Ideen zu {topic}',
    'Fasse das Neueste zu {topic} zusammen',
    'Vergleiche die Möglichkeiten für {topic}',
    'Schreib einen kurzen Text über {topic}',
  ],
}

const fr: Phrases = {
  topic: 'votre idée',
  sentences: [
    'Bienvenue ! Je suis là pour vous aider avec {topic}.',
    'Dites-moi ce qu’il vous faut, et nous avancerons sur {topic} pas à pas.',
    'Je peux expliquer, comparer et améliorer tout ce qui touche à {topic}.',
    'Posez-moi vos questions sur {topic} quand vous voulez.',
  ],
  questions: [
    'Par où commencer avec {topic} ?',
    'Que faut-il savoir d’abord sur {topic} ?',
    'Quelles erreurs éviter avec {topic} ?',
    'Pouvez-vous me montrer un exemple de {topic} ?',
    'Comment progresser en {topic} ?',
    'Quoi de neuf sur {topic} ?',
  ],
  prompts: [
    'Explique-moi {topic} avec des mots simples',
    'Prépare un plan pour {topic}',
    'Donne-moi trois idées sur {topic}',
    'Résume les nouveautés sur {topic}',
    'Compare les options pour {topic}',
    'Écris un court texte sur {topic}',
  ],
}

const es: Phrases = {
  topic: 'tu idea',
  sentences: [
    '¡Te doy la bienvenida! Estoy aquí para ayudarte con {topic}.',
    'Dime qué necesitas y avanzaremos con {topic} paso a paso.',
    'Puedo explicar, comparar y mejorar todo lo relacionado con {topic}.',
    'Pregúntame sobre {topic} cuando quieras.',
  ],
  questions: [
    '¿Cómo empiezo con {topic}?',
    '¿Qué debería saber primero sobre {topic}?',
    '¿Qué errores con {topic} puedo evitar?',
    '¿Me muestras un ejemplo de {topic}?',
    '¿Cómo puedo mejorar en {topic}?',
    '¿Qué hay de nuevo en {topic}?',
  ],
  prompts: [
    'Explícame {topic} con palabras sencillas',
    'Haz un plan para {topic}',
    'Dame tres ideas sobre {topic}',
    'Resume lo último sobre {topic}',
    'Compara las opciones para {topic}',
    'Escribe un texto corto sobre {topic}',
  ],
}

const pt: Phrases = {
  topic: 'sua ideia',
  sentences: [
    'Boas-vindas! Estou aqui para ajudar com {topic}.',
    'Diga do que precisa e avançaremos com {topic} passo a passo.',
    'Posso explicar, comparar e melhorar tudo sobre {topic}.',
    'Pergunte sobre {topic} quando quiser.',
  ],
  questions: [
    'Como começo com {topic}?',
    'O que devo saber primeiro sobre {topic}?',
    'Que erros com {topic} posso evitar?',
    'Pode mostrar um exemplo de {topic}?',
    'Como posso melhorar em {topic}?',
    'O que há de novo em {topic}?',
  ],
  prompts: [
    'Explique {topic} com palavras simples',
    'Faça um plano para {topic}',
    'Dê três ideias sobre {topic}',
    'Resuma as novidades sobre {topic}',
    'Compare as opções para {topic}',
    'Escreva um texto curto sobre {topic}',
  ],
}

/** Most of the languages written in Latin script. */
export const latinPhrases = { en, de, fr, es, pt }
