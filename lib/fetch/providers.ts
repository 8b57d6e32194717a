/** What is known of providers: their servers, and what to tell who cannot log in there. */

export interface Provider {
  readonly name: string
  readonly host: string
  readonly port: number
  /** Its POP3 server, on port 995; undefined where it has none. */
  readonly pop3?: string
  /** What to do when the login is refused, in English and in Korean. */
  readonly advice: { readonly en: string; readonly ko: string }
}

const appPassword = (where: string): string =>
  `It takes an app password, not the password of the account: turn on two-step verification, then make one at ${where}.`

export const providers: Readonly<Record<string, Provider>> = {
  gmail: {
    name: 'Gmail',
    host: 'imap.gmail.com',
    port: 993,
    pop3: 'pop.gmail.com',
    advice: {
      en: `${appPassword('https://myaccount.google.com/apppasswords')} It is 16 letters; spaces in it do not count. Accounts of an organisation may need oauth2 instead.`,
      ko: '계정 비밀번호가 아니라 앱 비밀번호가 필요합니다. 2단계 인증을 켠 뒤 https://myaccount.google.com/apppasswords 에서 16자리 앱 비밀번호를 만드세요.',
    },
  },
  naver: {
    name: 'Naver',
    host: 'imap.naver.com',
    port: 993,
    pop3: 'pop.naver.com',
    advice: {
      en: `${appPassword('Naver ID > Security > Two-step verification > Application passwords')} Also allow IMAP: Mail > Settings > POP3/IMAP > IMAP/SMTP > in use. As user take the ID without @naver.com. Wrong logins lock the account for a while.`,
      ko: '네이버 비밀번호가 아니라 애플리케이션 비밀번호가 필요합니다. 네이버ID > 보안설정 > 2단계 인증 > 애플리케이션 비밀번호에서 만드세요. 메일 > 환경설정 > POP3/IMAP 설정에서 IMAP/SMTP 사용함도 선택해야 합니다. user에는 @naver.com을 뺀 아이디를 적습니다. 여러 번 틀리면 계정이 잠길 수 있습니다.',
    },
  },
  daum: {
    name: 'Daum',
    host: 'imap.daum.net',
    port: 993,
    pop3: 'pop.daum.net',
    advice: {
      en: `${appPassword('Kakao account > Security > Two-step verification > App passwords')} Also allow IMAP: Mail > Settings > IMAP/POP3 > in use.`,
      ko: '카카오계정 비밀번호가 아니라 앱 비밀번호가 필요합니다. 카카오계정 > 계정 보안 > 2단계 인증 > 앱 비밀번호에서 만드세요. Daum 메일 > 환경설정 > IMAP/POP3에서 IMAP 사용함도 선택해야 합니다.',
    },
  },
  outlook: {
    name: 'Outlook',
    host: 'outlook.office365.com',
    port: 993,
    pop3: 'outlook.office365.com',
    advice: {
      en: 'Microsoft takes no passwords over IMAP any more, app passwords neither: use oauth2.',
      ko: 'Microsoft는 IMAP에서 비밀번호(앱 비밀번호 포함)를 더 이상 받지 않습니다. oauth2를 설정하세요.',
    },
  },
  yahoo: {
    name: 'Yahoo',
    host: 'imap.mail.yahoo.com',
    port: 993,
    pop3: 'pop.mail.yahoo.com',
    advice: {
      en: appPassword('Account info > Security > Generate app password'),
      ko: '계정 비밀번호가 아니라 앱 비밀번호가 필요합니다. 계정 정보 > 보안 > 앱 비밀번호 생성에서 만드세요.',
    },
  },
  icloud: {
    name: 'iCloud',
    host: 'imap.mail.me.com',
    port: 993,
    advice: {
      en: `${appPassword('https://account.apple.com > Sign-In and Security > App-Specific Passwords')} As user take the part before @icloud.com.`,
      ko: 'Apple 계정 암호가 아니라 앱 암호가 필요합니다. https://account.apple.com > 로그인 및 보안 > 앱 암호에서 만드세요. user에는 @icloud.com 앞부분을 적습니다.',
    },
  },
}

/** The provider whose server this is. */
export function providerOf(host: string): Provider | undefined {
  const name = host.toLowerCase()
  return Object.values(providers).find(({ host, pop3 }) => host === name || pop3 === name)
}

/** What to tell who was refused, in the language of the locale (`ko_KR.UTF-8`). */
export function adviceFor({ advice }: Provider, locale: string): string {
  return /^ko\b|^ko_/i.test(locale) ? advice.ko : advice.en
}
