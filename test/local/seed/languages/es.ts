import type { Language } from './language.ts'

export const spanish: Language = {
  locales: ['es-ES', 'es-MX', 'es-AR'],
  givenNames: ['Alba', 'Bruno', 'Carmen', 'Diego', 'Elena', 'Iván', 'Lucía', 'Mateo', 'Nuria', 'Óscar'],
  familyNames: ['Aguilar', 'Bravo', 'Cano', 'Delgado', 'Ibáñez', 'Luna', 'Márquez', 'Núñez', 'Peña', 'Solís'],
  fullName: '{given} {family}',
  interests: [
    'senderismo',
    'cocina casera',
    'finanzas personales',
    'fotografía nocturna',
    'ajedrez',
    'Python',
    'huerto urbano',
    'guitarra flamenca',
    'entrevistas de trabajo',
    'novela negra',
  ],
  topics: [
    'Primeros pasos en {subject}',
    'Errores frecuentes: {subject}',
    '{subject} con poco dinero',
    'Mi plan de {subject} para este mes',
    'Dudas sobre {subject}',
  ],
  agents: [
    {
      title: 'Guía de {subject}',
      description: 'Te acompaña paso a paso en {subject}.',
      role: 'Acompañas a quien empieza con {subject}. Pregunta qué ha probado y propone un solo paso.',
      tag: 'aprender',
    },
    {
      title: '{subject} sin rodeos',
      description: 'Respuestas cortas y claras sobre {subject}.',
      role: 'Respondes preguntas sobre {subject} con frases breves y un ejemplo cotidiano.',
      tag: 'respuestas',
    },
    {
      title: 'Ojo crítico: {subject} 👀',
      description: 'Revisa tu trabajo y te dice qué mejorar.',
      role: 'Revisas trabajos sobre {subject}. Señala dos aciertos y los tres cambios más importantes.',
      tag: 'revisión',
    },
  ],
  rules: [
    'No inventes datos; di cuándo no lo sabes.',
    'Responde en menos de 150 palabras.',
    'Haz una sola pregunta cada vez.',
    'Evita los tecnicismos o explícalos.',
    'Termina con una idea para probar hoy.',
  ],
  openings: [
    '¡Hola! Cuéntame cómo vas con {subject} y empezamos por ahí.',
    'Qué bien que estés aquí: tengo varias ideas sobre {subject}.',
  ],
  questions: [
    '¿Cómo empiezo con {subject}?',
    '¿Qué necesito para {subject}?',
    '¿Qué errores debo evitar?',
    '¿Cuánto tiempo lleva {subject}?',
  ],
}
