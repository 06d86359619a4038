/*
 * THE ADMIN COMMAND TABLE: what `kingpost` can be asked, and its help.
 */
#include "server/admin.h"

#define FILTER_HELP \
	"A FILTER is an id, from=ADDRESS, to=ADDRESS, domain=DOMAIN,\n" \
	"state=waiting, state=held, via=HOST, or all. Several are all meant.\n"

#define PASSWORD_HELP \
	"The password is asked for without echo, or read with\n" \
	"--password-stdin, or made and shown once with --generate.\n"

const struct admin_command admin_commands[] = {
	{ "alias add", "ADDRESS TARGET...", 2, ADMIN_ARGS_MAX, NEEDS_NOTHING,
	    admin_alias_add, admin_alias_done,
	    "deliver mail for an address to one or several others",
	    "A target is an account or another alias of this server, or an\n"
	    "address elsewhere. The address @example.org is the catch-all of\n"
	    "its domain. Adding to an alias that exists gives it more\n"
	    "targets.\n\n"
	    "  kingpost alias add info@example.org alice@example.org\n"
	    "  kingpost alias add team@example.org alice@example.org "
	    "bob@example.org\n"
	    "  kingpost alias add @example.org alice@example.org\n" },
	{ "alias del", "ADDRESS [TARGET...]", 1, ADMIN_ARGS_MAX,
	    NEEDS_NOTHING, admin_alias_del, admin_alias_done,
	    "delete an alias, or take targets away from it",
	    "  kingpost alias del info@example.org\n"
	    "  kingpost alias del team@example.org bob@example.org\n" },
	{ "alias list", "", 0, 0, NEEDS_NOTHING,
	    admin_alias_list, admin_alias_list_done,
	    "show all aliases", "  kingpost alias list\n" },
	{ "alias refuse", "ADDRESS [REASON]", 1, 2, NEEDS_NOTHING,
	    admin_alias_refuse, admin_alias_done,
	    "refuse one address although there is a catch-all",
	    "Senders are told the reason. `kingpost alias del ADDRESS` takes\n"
	    "it back.\n\n"
	    "  kingpost alias refuse shop@example.org "
	    "\"This address is closed\"\n" },
	{ "backup", "FILE", 0, 0, NEEDS_TARGET_FILE,
	    admin_backup, admin_backup_done,
	    "write a consistent, checked copy of all mail to a file",
	    "The server goes on serving meanwhile. FILE must not exist; it is\n"
	    "written under another name first, so that a file with this name\n"
	    "is always whole. To restore, stop the server and put the copy in\n"
	    "the place of mail.db in the data folder.\n\n"
	    "  kingpost backup /backup/mail-monday.db\n" },
	{ "cert load", "CHAIN KEY", 0, 0, NEEDS_PEM_FILES,
	    admin_cert_load, admin_cert_load_done,
	    "use another certificate at once",
	    "Both are PEM files, read by this command with the rights of its\n"
	    "caller. The certificate is kept in the store and used for the\n"
	    "names it was made for.\n\n"
	    "  kingpost cert load fullchain.pem privkey.pem\n" },
	{ "device add", "ACCOUNT NAME", 2, 2, NEEDS_NOTHING,
	    admin_device_add, admin_device_add_done,
	    "make a password for one device or program",
	    "It is generated and shown once. A device that is lost is shut\n"
	    "out with `device del`, and nothing else changes.\n\n"
	    "  kingpost device add alice@example.org phone\n" },
	{ "device del", "ACCOUNT NAME", 2, 2, NEEDS_NOTHING,
	    admin_device_del, admin_device_del_done,
	    "shut one device out",
	    "  kingpost device del alice@example.org phone\n" },
	{ "device list", "ACCOUNT", 1, 1, NEEDS_NOTHING,
	    admin_device_list, admin_device_list_done,
	    "show an account's device passwords and their last use",
	    "  kingpost device list alice@example.org\n" },
	{ "domain add", "DOMAIN", 1, 1, NEEDS_NOTHING,
	    admin_domain_add, admin_domain_done,
	    "take mail for another domain",
	    "  kingpost domain add example.org\n" },
	{ "domain del", "DOMAIN", 1, 1, NEEDS_NOTHING,
	    admin_domain_del, admin_domain_done,
	    "no longer take mail for a domain",
	    "Only a domain without accounts and aliases can be deleted.\n\n"
	    "  kingpost domain del example.org\n" },
	{ "domain dkim", "DOMAIN", 1, 1, NEEDS_NOTHING,
	    admin_domain_dkim, admin_domain_dkim_done,
	    "show the DNS record of a domain's DKIM key",
	    "What leaves the domain is signed, and other servers look for this\n"
	    "TXT record to check it. The key is made with the domain; a long\n"
	    "record may have to be cut into strings of 255 characters.\n\n"
	    "  kingpost domain dkim example.org\n" },
	{ "domain list", "", 0, 0, NEEDS_NOTHING,
	    admin_domain_list, admin_domain_list_done,
	    "show the domains", "  kingpost domain list\n" },
	{ "queue bounce", "FILTER...", 1, 8, NEEDS_YES,
	    admin_queue_bounce, admin_queue_edited,
	    "take mail out of the queue and tell its senders",
	    "Asks first, or wants --yes.\n" FILTER_HELP "\n"
	    "  kingpost queue bounce to=bob@example.net --yes\n" },
	{ "queue drop", "FILTER...", 1, 8, NEEDS_YES,
	    admin_queue_drop, admin_queue_edited,
	    "take mail out of the queue; its senders are not told",
	    "Asks first, or wants --yes.\n" FILTER_HELP "\n"
	    "  kingpost queue drop 12 --yes\n"
	    "  kingpost queue drop from=alice@example.org --yes\n" },
	{ "queue hold", "FILTER...", 1, 8, NEEDS_NOTHING,
	    admin_queue_hold, admin_queue_edited,
	    "keep mail from being sent until it is released",
	    FILTER_HELP "\n"
	    "  kingpost queue hold domain=example.net\n" },
	{ "queue list", "[FILTER...]", 0, 8, NEEDS_NOTHING,
	    admin_queue_list, admin_queue_list_done,
	    "show the mail that waits for other servers",
	    FILTER_HELP "\n"
	    "  kingpost queue list\n"
	    "  kingpost queue list domain=example.net state=held\n" },
	{ "queue release", "FILTER...", 1, 8, NEEDS_NOTHING,
	    admin_queue_release, admin_queue_edited,
	    "send what was held",
	    FILTER_HELP "\n"
	    "  kingpost queue release domain=example.net\n" },
	{ "queue retry", "FILTER...", 1, 8, NEEDS_NOTHING,
	    admin_queue_retry, admin_queue_edited,
	    "try at once what waits for its next attempt",
	    FILTER_HELP "\n"
	    "  kingpost queue retry all\n"
	    "  kingpost queue retry to=bob@example.net\n" },
	{ "queue route", "FILTER... HOST", 2, 9, NEEDS_NOTHING,
	    admin_queue_route, admin_queue_edited,
	    "send what waits by way of another host or domain",
	    FILTER_HELP "\n"
	    "  kingpost queue route domain=example.net relay.example.com\n" },
	{ "queue show", "ID", 1, 1, NEEDS_NOTHING,
	    admin_queue_show, admin_queue_show_done,
	    "show a message: its header, recipients and every attempt",
	    "  kingpost queue show 12\n" },
	{ "send", "SENDER RECIPIENT...", 2, ADMIN_ARGS_MAX, NEEDS_MESSAGE,
	    admin_send, admin_send_done,
	    "send the message on standard input",
	    "Date, Message-ID and From are added where they are missing, and\n"
	    "Bcc is taken out. The same program called as `sendmail` takes\n"
	    "-t, -i, -f and -F.\n\n"
	    "  kingpost send alice@example.org bob@example.net < letter.eml\n"
	    "  ln -s /usr/bin/kingpost /usr/sbin/sendmail\n" },
	{ "status", "", 0, 0, NEEDS_NOTHING,
	    admin_status, admin_status_done,
	    "show what the server holds and how it is",
	    "  kingpost status\n"
	    "  kingpost --json status\n" },
	{ "user add", "ADDRESS", 1, 1, NEEDS_PASSWORD,
	    admin_user_add, admin_user_add_done,
	    "make an account",
	    PASSWORD_HELP "\n"
	    "  kingpost user add alice@example.org\n"
	    "  kingpost user add alice@example.org --generate\n"
	    "  pass show alice | kingpost user add alice@example.org "
	    "--password-stdin\n" },
	{ "user del", "ADDRESS", 1, 1, NEEDS_YES,
	    admin_user_del, admin_user_changed,
	    "delete an account and all its mail",
	    "Asks first, or wants --yes.\n\n"
	    "  kingpost user del alice@example.org --yes\n" },
	{ "user disable", "ADDRESS", 1, 1, NEEDS_NOTHING,
	    admin_user_disable, admin_user_changed,
	    "shut an account; its mail is still taken",
	    "Open sessions end at once.\n\n"
	    "  kingpost user disable alice@example.org\n" },
	{ "user enable", "ADDRESS", 1, 1, NEEDS_NOTHING,
	    admin_user_enable, admin_user_changed,
	    "open a disabled account again",
	    "  kingpost user enable alice@example.org\n" },
	{ "user list", "", 0, 0, NEEDS_NOTHING,
	    admin_user_list, admin_user_list_done,
	    "show the accounts",
	    "  kingpost user list\n"
	    "  kingpost --json user list\n" },
	{ "user passwd", "ADDRESS", 1, 1, NEEDS_PASSWORD,
	    admin_user_passwd, admin_user_passwd_done,
	    "give an account another password",
	    "Open sessions end at once; device passwords stay.\n"
	    PASSWORD_HELP "\n"
	    "  kingpost user passwd alice@example.org\n" },
	{ "user quota", "ADDRESS [--storage SIZE|none] [--messages N|none]",
	    1, 3, NEEDS_NOTHING, admin_user_quota, admin_user_quota_done,
	    "limit what an account may hold, or show it",
	    "Without an option nothing is changed. What is there stays; who is\n"
	    "over a limit gets no more mail until there is room.\n\n"
	    "  kingpost user quota alice@example.org\n"
	    "  kingpost user quota alice@example.org --storage 2G\n"
	    "  kingpost user quota alice@example.org --storage none "
	    "--messages 100000\n" },
	{ "user role", "ADDRESS admin|user", 2, 2, NEEDS_NOTHING,
	    admin_user_role, admin_user_changed,
	    "let an account administer others over IMAP, or not",
	    "An administrator may set quotas (SETQUOTA) and the annotations\n"
	    "of the server that all accounts see (SETMETADATA \"\").\n\n"
	    "  kingpost user role alice@example.org admin\n" },
	{ "user set", "ADDRESS NAME=VALUE...", 2, 4, NEEDS_NOTHING,
	    admin_user_set, admin_user_changed,
	    "change how an account's mail is sent",
	    "sent=off leaves it to the account's own programs to file what\n"
	    "they send; sent=on is the default. messages_per_day and\n"
	    "new_recipients_per_day cap what goes to other servers in a day;\n"
	    "0 is nothing, default what the configuration says.\n\n"
	    "  kingpost user set alice@example.org sent=off\n"
	    "  kingpost user set alice@example.org messages_per_day=50\n" },
	{ NULL, NULL, 0, 0, NEEDS_NOTHING, NULL, NULL, NULL, NULL },
};
