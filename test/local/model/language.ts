import { isLanguage, phrases, type Language } from './phrases.ts'

const LANGUAGE_LINE = /^\W*(?:locale|language)\W*[:=]\s*["'“]?([a-z]+)/im

const languageNames = new Intl.DisplayNames(['en'], { type: 'language' })

const SCRIPTS: [RegExp, Language][] = [
  [/\p{Script=Hangul}/gu, 'ko'],
  [/\p{Script=Hiragana}|\p{Script=Katakana}/gu, 'ja'],
  [/\p{Script=Han}/gu, 'zh'],
  [/\p{Script=Cyrillic}/gu, 'ru'],
]

/** The language that a prompt asks for (`Locale: de-DE`, `Language: German`), or else the one of its script. */
export function languageOf(prompt: string): Language {
  const named = LANGUAGE_LINE.exec(prompt)?.[1]?.toLowerCase()
  return named === undefined ? byScript(prompt) : byName(named)
}

function byName(name: string): Language {
  if (isLanguage(name)) return name
  const code = Object.keys(phrases).find((code) => languageNames.of(code)?.toLowerCase() === name)
  return code !== undefined && isLanguage(code) ? code : 'en'
}

/** A script counts when a tenth of the letters are of it; Kana before Han, since Japanese uses both. */
function byScript(prompt: string): Language {
  const letters = count(prompt, /\p{Letter}/gu)
  return SCRIPTS.find(([script]) => count(prompt, script) * 10 > letters)?.[1] ?? 'en'
}

const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0
