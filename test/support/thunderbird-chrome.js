/* global ChromeUtils, Cc, Ci, Components, Services */
/**
 * What the tests do in Thunderbird, by its own components, as its windows would. This text stands before every script
 * that test/support/thunderbird.ts sends; it is no module of ours.
 */
const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs')
const { setTimeout } = ChromeUtils.importESModule('resource://gre/modules/Timer.sys.mjs')

async function until(condition, what) {
  for (let patience = 300; patience > 0; patience--) {
    const found = condition()
    if (found) return found
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`waited in vain for ${what}`)
}

function trust(pem) {
  const base64 = pem.replace(/-----[^-]+-----|\s/g, '')
  Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB).addCertFromBase64(base64, 'CT,,')
}

/** Both servers as the account window would make them: TLS from the first octet, STARTTLS for sending. */
function setUp({ user, password, imap, smtp, pem }) {
  trust(pem)
  const server = MailServices.accounts.createIncomingServer(user, 'localhost', 'imap')
  server.port = imap
  server.socketType = Ci.nsMsgSocketType.SSL
  server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext
  server.password = password
  const sending = MailServices.outgoingServer.createServer('smtp')
  sending.QueryInterface(Ci.nsISmtpServer)
  sending.hostname = 'localhost'
  sending.port = smtp
  sending.socketType = Ci.nsMsgSocketType.alwaysSTARTTLS
  sending.authMethod = Ci.nsMsgAuthMethod.passwordCleartext
  sending.username = user
  sending.password = password
  const identity = MailServices.accounts.createIdentity()
  identity.email = `${user}@ilnmors.internal`
  identity.fullName = 'Alice'
  identity.smtpServerKey = sending.key
  const account = MailServices.accounts.createAccount()
  account.addIdentity(identity)
  account.incomingServer = server
  MailServices.accounts.defaultAccount = account
}

const account = () => MailServices.accounts.accounts.find(one => one.incomingServer.type === 'imap')
const root = () => account().incomingServer.rootFolder
const folder = name => root().descendants.find(one => one.prettyPath === name || one.localizedName === name)
const headers = name => [...folder(name).messages]
const header = (name, subject) => headers(name).find(one => one.mime2DecodedSubject === subject)

/** A listener of all kinds that ends when the work does. */
function finished(start) {
  return new Promise((resolve, reject) => {
    const end = status =>
      Components.isSuccessCode(status) ? resolve() : reject(new Error(`status ${status.toString(16)}`))
    start({
      QueryInterface: ChromeUtils.generateQI(['nsIUrlListener', 'nsIMsgCopyServiceListener', 'nsIMsgSendListener']),
      OnStartRunningUrl() {},
      OnStopRunningUrl: (_, status) => end(status),
      onStartCopy() {},
      onProgress() {},
      setMessageKey() {},
      getMessageId: () => null,
      onStopCopy: end,
      onStartSending() {},
      onStatus() {},
      onGetDraftFolderURI() {},
      onSendNotPerformed() {},
      onTransportSecurityError() {},
      onSendProgress() {},
      onStopSending: (_, status) => end(status),
    })
  })
}

const update = name =>
  finished(listener => folder(name).QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, listener))

/** The whole of a message as the server gives it. */
function read(name, subject) {
  const uri = folder(name).getUriForMsg(header(name, subject))
  let text = ''
  return new Promise((resolve, reject) => {
    const listener = {
      QueryInterface: ChromeUtils.generateQI(['nsIStreamListener']),
      onStartRequest() {},
      onDataAvailable(_, stream, offset, count) {
        const binary = Cc['@mozilla.org/binaryinputstream;1'].createInstance(Ci.nsIBinaryInputStream)
        binary.setInputStream(stream)
        text += binary.readBytes(count)
      },
      onStopRequest: (_, status) =>
        Components.isSuccessCode(status) ? resolve(text) : reject(new Error(status.toString(16))),
    }
    MailServices.messageServiceFromURI(uri).streamMessage(uri, listener, null, null, false, '')
  })
}

/** Searched by the server, not in what is here. */
function search(name, attribute, text) {
  const session = Cc['@mozilla.org/messenger/searchSession;1'].createInstance(Ci.nsIMsgSearchSession)
  session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder(name))
  const term = session.createTerm()
  term.attrib = Ci.nsMsgSearchAttrib[attribute]
  term.op = Ci.nsMsgSearchOp.Contains
  const { value } = term
  value.attrib = term.attrib
  value.str = text
  term.value = value
  session.appendTerm(term)
  const hits = []
  return new Promise(resolve => {
    session.registerListener({
      QueryInterface: ChromeUtils.generateQI(['nsIMsgSearchNotify']),
      onSearchHit: hit => hits.push(hit.mime2DecodedSubject),
      onSearchDone: () => resolve(hits.sort()),
      onNewSearch() {},
    })
    session.search(null)
  })
}

function send(to, subject, body) {
  const fields = Cc['@mozilla.org/messengercompose/composefields;1'].createInstance(Ci.nsIMsgCompFields)
  const identity = account().defaultIdentity
  fields.from = `Alice <${identity.email}>`
  fields.to = to
  fields.subject = subject
  const sending = Cc['@mozilla.org/messengercompose/send;1'].createInstance(Ci.nsIMsgSend)
  return finished(listener =>
    sending.createAndSendMessage(
      null,
      identity,
      account().key,
      fields,
      false,
      false,
      Ci.nsIMsgSend.nsMsgDeliverNow,
      null,
      'text/plain',
      body,
      null,
      null,
      listener,
      '',
      null,
      Ci.nsIMsgCompType.New,
    ),
  )
}

const move = (from, subject, to) =>
  finished(listener =>
    MailServices.copy.copyMessages(folder(from), [header(from, subject)], folder(to), true, listener, null, false),
  )
