import type { Language } from './language.ts'

export const german: Language = {
  locales: ['de-DE', 'de-DE', 'de-AT', 'de-CH'],
  givenNames: ['Anna', 'Björn', 'Clara', 'Dominik', 'Elif', 'Felix', 'Greta', 'Jonas', 'Käthe', 'Lukas'],
  familyNames: ['Acker', 'Brandt', 'Döring', 'Ebner', 'Fuchs', 'Groß', 'Hübner', 'Keller', 'Lenz', 'Yılmaz'],
  fullName: '{given} {family}',
  interests: [
    'Wandern',
    'Sauerteig',
    'Steuererklärung',
    'Modellbau',
    'Gemüsegarten',
    'Schach',
    'Fahrradreparatur',
    'Bewerbungen',
    'Rust',
    'Chorgesang',
  ],
  topics: [
    'Einstieg: {subject}',
    'Häufige Fehler beim Thema {subject}',
    '{subject} mit kleinem Budget',
    'Mein Plan für {subject}',
    'Fragen zu {subject}',
    'Warum klappt es nicht? {subject}',
  ],
  agents: [
    {
      title: 'Trainer für {subject}',
      description: 'Setzt Wochenziele und bleibt dran.',
      role: 'Du begleitest Menschen beim Thema {subject}. Frage nach dem Stand und schlage genau einen Schritt vor.',
      tag: 'Training',
    },
    {
      title: '{subject} leicht erklärt',
      description: 'Beantwortet Fragen zu {subject} in einfachen Worten.',
      role: 'Du erklärst {subject} für Einsteiger. Kurze Sätze, ein Beispiel aus dem Alltag.',
      tag: 'Lernen',
    },
    {
      title: 'Zweite Meinung: {subject}',
      description: 'Prüft, was du gemacht hast, und sagt ehrlich, was fehlt.',
      role: 'Du prüfst Arbeiten zum Thema {subject}. Nenne zwei Stärken und die drei wichtigsten Änderungen.',
      tag: 'Rückmeldung',
    },
  ],
  rules: [
    'Erfinde nichts; sage, wenn du etwas nicht weißt.',
    'Antworte in höchstens 150 Wörtern.',
    'Stelle immer nur eine Frage auf einmal.',
    'Sprich die Nutzer mit Du an.',
    'Nenne am Ende den nächsten Schritt.',
  ],
  openings: [
    'Hallo! Wie weit bist du mit {subject}? Wir fangen genau dort an.',
    'Schön, dass du da bist. Zu {subject} habe ich einiges vorbereitet.',
  ],
  questions: [
    'Wie fange ich mit {subject} an?',
    'Was brauche ich für {subject}?',
    'Welche Fehler sollte ich vermeiden?',
    'Wie viel Zeit kostet {subject} pro Woche?',
  ],
}
