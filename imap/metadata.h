/*
 * Annotations in answers (RFC 5464): for their commands, for LIST, and for
 * the news of them.
 */
#ifndef IMAP_METADATA_H
#define IMAP_METADATA_H

#include <stdbool.h>

#include "server/base/span.h"
#include "store/change.h"
#include "store/metadata.h"

struct imap;

/* "* METADATA name (entry value ...)" of a slice; nothing if it has none. */
void imap_put_metadata(struct imap *im, struct span name,
    const struct rjob_metadata *job);

/* Copies as many names of entries as the job has room for. */
void imap_metadata_entries(struct rjob_metadata *job,
    const struct span *entries);

/* The client wants to hear of what others set (RFC 5464 section 4.1). */
void imap_enable_metadata(struct imap *im);

/*
 * Notes what the change set has for a client that wants to hear of it. False:
 * more has come together than is kept for a client that is never there.
 */
bool imap_metadata_changed(struct imap *im, const struct changeset *cs);

/* Tells what was noted: "* METADATA INBOX /shared/comment". */
void imap_tell_metadata(struct imap *im);

#endif
