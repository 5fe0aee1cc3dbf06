import { latinPhrases } from './phrases-latin.ts'
import { otherPhrases } from './phrases-other.ts'

/** What the local model can say in one language; `{topic}` stands for something out of the prompt. */
export type Phrases = {
  /** The topic when the prompt offers none. */
  topic: string
  /** The first is a greeting. */
  sentences: readonly [string, string, ...string[]]
  questions: readonly [string, ...string[]]
  /** What a user might type, short. */
  prompts: readonly [string, ...string[]]
}

/** The languages of the local model. */
export const phrases = { ...latinPhrases, ...otherPhrases }

export type Language = keyof typeof phrases

export const isLanguage = (code: string): code is Language => Object.hasOwn(phrases, code)
