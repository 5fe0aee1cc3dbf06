const LABELLED = /^\W*(title|name|interests?|(?:recent )?topics?|tags?|subject)\W*:\s*(.+)$/gim

const LONGEST = 40

/** What a prompt is about: its title, interests, topics and tags, or else its longest words. */
export function topicsOf(prompt: string): string[] {
  const labelled = [...prompt.matchAll(LABELLED)].flatMap((match) => values(match[2] ?? ''))
  const topics = labelled.length > 0 ? labelled : longWords(prompt)
  return [...new Set(topics.map(shorten).filter(Boolean))]
}

function values(text: string): string[] {
  try {
    const parsed: unknown = JSON.parse(text)
    return (Array.isArray(parsed) ? parsed : [parsed]).filter((value) => typeof value === 'string')
  } catch {
    return text.split(',')
  }
}

function longWords(prompt: string): string[] {
  const words = prompt.match(/\p{Letter}{5,}/gu) ?? []
  return [...new Set(words)].toSorted((a, b) => b.length - a.length).slice(0, 5)
}

const shorten = (topic: string): string =>
  Array.from(topic.replaceAll(/\s+/g, ' ').trim()).slice(0, LONGEST).join('').trim()
