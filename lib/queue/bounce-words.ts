/**
 * What a report says to people: in the language of whoever sent the message, in the charset that their program
 * writes, where both are known here. English in UTF-8 is for all others.
 */
import { encodeCharset } from '../message/charset.js'
import { parseContentType } from '../message/content.js'
import { type HeaderBlock, readHeader } from '../message/header.js'
import { joinedParameter } from '../message/parameters.js'
import { decodeWords } from '../message/words.js'
import type { ReportKind } from './entry.js'

export interface Words {
  readonly subjects: Readonly<Record<ReportKind, string>>
  /** Before the subject of what goes to postmaster. */
  readonly postmaster: string
  greeting(hostname: string): string
  /** What happened, a line each. @param until when a delayed message is given up */
  opening(kind: ReportKind, until: string): readonly string[]
  readonly attachedWhole: string
  readonly attachedHeader: string
  /** In place of the opening, of a message whose sender cannot be told. */
  readonly nobodyToTell: readonly string[]
  /** Names of the lines that follow, of equal width. */
  readonly labels: Readonly<Record<'subject' | 'arrived' | 'id', string>>
  readonly noSubject: string
  readonly noAttempt: string
  said(host: string): string
}

const english: Words = {
  subjects: {
    failure: 'Undelivered Mail Returned to Sender',
    delay: 'Delayed Mail (still being retried)',
    success: 'Successful Mail Delivery Report',
  },
  postmaster: 'Postmaster',
  greeting: hostname => `This is the mail system at ${hostname}.`,
  opening: (kind, until) =>
    ({
      failure: ['Your message could not be delivered to one or more of its recipients.'],
      delay: [
        'Your message could not be delivered yet. You need not send it again:',
        `it will be tried until ${until}.`,
      ],
      success: ['Your message was delivered, or handed to a server that sends no reports.'],
    })[kind],
  attachedWhole: 'The message is attached.',
  attachedHeader: 'The header of the message is attached.',
  nobodyToTell: [
    'A message without a sender who could be told was not delivered; it was probably',
    'a report itself.',
  ],
  labels: {
    subject: 'Subject:         ',
    arrived: 'Arrived:         ',
    id: 'Queue identifier:',
  },
  noSubject: '(none)',
  noAttempt: 'no attempt was made yet',
  said: host => `${host} said:`,
}

const korean: Words = {
  subjects: {
    failure: '배달하지 못한 메일을 돌려보냅니다',
    delay: '메일 배달이 늦어지고 있습니다 (계속 시도합니다)',
    success: '메일을 배달했습니다',
  },
  postmaster: '관리자',
  greeting: hostname => `${hostname}의 메일 시스템입니다.`,
  opening: (kind, until) =>
    ({
      failure: ['보내신 메일을 받는 사람 중 한 명 이상에게 배달하지 못했습니다.'],
      delay: [
        '보내신 메일을 아직 배달하지 못했습니다. 다시 보내실 필요는 없습니다:',
        `${until}까지 계속 시도합니다.`,
      ],
      success: ['보내신 메일을 배달했거나, 배달 보고를 하지 않는 서버에 넘겼습니다.'],
    })[kind],
  attachedWhole: '메일을 첨부합니다.',
  attachedHeader: '메일의 헤더를 첨부합니다.',
  nobodyToTell: ['알릴 보낸 사람이 없는 메일을 배달하지 못했습니다. 아마 배달 보고일 것입니다.'],
  labels: { subject: '제목:     ', arrived: '받은 때:  ', id: '큐 식별자:' },
  noSubject: '(없음)',
  noAttempt: '아직 시도하지 않았습니다',
  said: host => `${host}의 답:`,
}

/** How a report is written. */
export interface Manner {
  readonly words: Words
  /** The charset of the message's sender, as its program names it; undefined where that is not known. */
  readonly charset: string | undefined
  /** The original's subject, decoded. */
  readonly subject: string
}

const koreanCharset = /^(?:euc-?kr|ks_?c|iso-2022-kr|cp949|uhc|(?:x-)?windows-949)/i

/** @param octets the header of the original */
export function mannerOf(octets: Buffer): Manner {
  const header = readHeader(octets)
  const charset = charsetOf(header)
  const text = (name: string) => {
    const field = header.find(name)
    return field ? decodeWords(Buffer.from(header.binary(field), 'latin1'), charset) : ''
  }
  const subject = text('subject')
  const language = header.first('content-language') ?? header.first('accept-language')
  const isKorean = language
    ? /^\s*ko\b/i.test(language)
    : koreanCharset.test(charset ?? '') || /\p{Script=Hangul}/u.test(subject + text('from'))
  return { words: isKorean ? korean : english, charset, subject }
}

/** That of the text, or else of the first encoded word in a subject or a name. */
function charsetOf(header: HeaderBlock): string | undefined {
  const { type, parameters } = parseContentType(header.first('content-type'))
  const declared = type === 'text' ? joinedParameter(parameters, 'charset') : undefined
  if (declared && !/^us-ascii$/i.test(declared)) return declared
  const words = `${header.first('subject') ?? ''} ${header.first('from') ?? ''}`
  return /=\?([^?*\s]+)(?:\*[^?]*)?\?[bq]\?/i.exec(words)?.[1]
}

/** Text in the sender's charset, where there are octets for all of it; in UTF-8 otherwise. */
export function inCharset(text: string, charset: string | undefined): { octets: Buffer; charset: string } {
  const known = charset !== undefined && /^[\w.:-]{1,40}$/.test(charset) && !/^utf-?8$/i.test(charset)
  const octets = known ? encodeCharset(text, charset) : undefined
  return octets && known
    ? { octets, charset: charset.toLowerCase() }
    : { octets: Buffer.from(text), charset: 'utf-8' }
}
