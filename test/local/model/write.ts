import { numberFrom, ring } from './chance.ts'
import { languageOf } from './language.ts'
import { phrases, type Language } from './phrases.ts'
import { topicsOf } from './topics.ts'

type Kind = 'sentences' | 'questions' | 'prompts'

type Limits = { minLength?: number | undefined; maxLength?: number | undefined }

/** Writes texts for one prompt: always the same ones, in the prompt's language and about its topics. */
export type Writer = {
  language: Language
  /** The text for a property; texts of the same property with different positions differ. */
  text(property: string, position: number, limits?: Limits): string
  paragraph(sentences: number): string
}

const QUESTIONS = /questions?$|^ask|faq/i
const PROMPTS = /placeholders?$|prompts?$|suggestions?$|title|name|label|subject|keywords?$|tags?$/i
const SHORT = 60
/** Languages that put no space between sentences. */
const UNSPACED = new Set<Language>(['ja', 'zh'])

/** Creates the writer for a prompt. */
export function writerFor(prompt: string): Writer {
  const language = languageOf(prompt)
  const [topic = phrases[language].topic, ...more] = topicsOf(prompt)
  const topics = [topic, ...more] as const
  const start = numberFrom(prompt, 1000)

  const phrase = (kind: 'questions' | 'prompts', position: number, longest: number): string => {
    const templates = phrases[language][kind]
    // A phrase that comes round again meets another topic.
    const lap = Math.floor(position / templates.length)
    return fill(ring(templates, start + position), ring(topics, position + lap), longest)
  }
  const [greeting, ...others] = phrases[language].sentences
  const paragraph = (sentences: number, position = 0, longest = Infinity): string =>
    Array.from({ length: sentences }, (_, i) => {
      const template = position + i === 0 ? greeting : ring(others, start + position + i)
      return fill(template, ring(topics, position + i), longest)
    }).join(UNSPACED.has(language) ? '' : ' ')
  return {
    language,
    paragraph,
    text: (property, position, { minLength = 0, maxLength = Infinity } = {}) => {
      const kind = kindOf(property)
      if (kind === 'questions') return asking(fit(phrase(kind, position, maxLength), minLength, maxLength))
      if (kind === 'prompts')
        return fit(phrase(kind, position, Math.min(maxLength, SHORT)), minLength, maxLength)
      const two = paragraph(2, position)
      return fit(two.length > maxLength ? paragraph(1, position, maxLength) : two, minLength, maxLength)
    },
  }
}

function kindOf(property: string): Kind {
  if (QUESTIONS.test(property)) return 'questions'
  return PROMPTS.test(property) ? 'prompts' : 'sentences'
}

/** Puts the topic in its place, shortened so that the whole is not longer than `longest`. */
function fill(template: string, topic: string, longest: number): string {
  const room = longest - (template.length - '{topic}'.length)
  return template.replace('{topic}', () => cut(topic, Math.max(room, 1)).trim())
}

function fit(text: string, shortest: number, longest: number): string {
  let long = text
  while (long.length < shortest) long += ` ${text}`
  return cut(long, longest)
}

/** A question that had to be cut still ends in a question mark. */
const asking = (text: string): string => (text.endsWith('?') ? text : `${text.slice(0, -1)}?`)

/** Cuts between characters, never inside one. */
function cut(text: string, longest: number): string {
  if (text.length <= longest) return text
  const end = text.slice(0, longest)
  return /[\uD800-\uDBFF]$/.test(end) ? end.slice(0, -1) : end
}
