"""What people call a vendor's fields in the headers of their spreadsheets.

A header is compared without case, accents, blanks, hyphens and underscores (`fields.folded`), so
one form of each name is enough. A name stands with a field only where it can hardly mean another
one; what it may mean as well is settled by the cells: "Requester" is an address, an id, or a name.
"""

from __future__ import annotations

from collections.abc import Mapping

SYNONYMS: Mapping[str, str] = {
    "subject": "title | topic | headline | summary | betreff | titel | thema | emne | asunto | "
    "sujet | objet | oggetto | ticket subject | onderwerp",
    "comment.body": "body | text | comment | message | description | content | question | "
    "first comment | anliegen | issue | details | inquiry | feedback | "
    "initial comment | comment body | message body | beschreibung | nachricht | "
    "kommentar | anfrage | beskrivelse | descripcion | mensaje | descrizione | messaggio | "
    "omschrijving | reply | public reply | public comment",
    "comment.html_body": "html | html body | body html",
    "comment.public": "public | is public | comment public | oeffentlich",
    "requester.email": "requester | email | mail | email address | e-mail-adresse | from | "
    "sender | customer | customer email | client | contact | contact email | reporter | "
    "requester mail | absender | kunde | melder | anfragender | kunden-e-mail | user email | "
    "submitted by",
    "requester.name": "requester name | customer name | contact name | full name | kundenname | "
    "sender name",
    "assignee_email": "assignee | assigned to | owner | agent | agent email | bearbeiter | "
    "zugewiesen an | assignee mail",
    "group_id": "group | team | gruppe | queue",
    "organization_id": "organization | organisation | company | account | firma | unternehmen",
    "organization.name": "organization | organisation | company | account | firma | unternehmen | "
    "company name | organization name",
    "external_id": "ref | reference | ext id | external ref | external reference | external key | "
    "your reference | referenz | aktenzeichen | legacy id | old id | source id | foreign id | "
    "fremdschluessel | externe id | sku",
    "priority": "prio | urgency | prioritaet | dringlichkeit | ticket priority | prioridad | "
    "priorite | priorita | prioritet | prioriteit",
    "status": "state | zustand | ticket status | estado | statut | stato",
    "type": "ticket type | typ | tipo | object type | job type | job",
    "tags": "tag | label | labels | keyword | keywords | schlagwoerter | schlagworte | "
    "stichworte | etiketten | etiquetas",
    "additional_tags": "add tags | tags to add | new tags",
    "remove_tags": "tags to remove | delete tags",
    "due_at": "due | due date | deadline | faellig | faellig am | faelligkeit | due on | frist",
    "created_at": "created | created on | creation date | date created | opened | erstellt | "
    "erstellt am | angelegt am | requested",
    "updated_at": "updated | updated on | last modified | geaendert | geaendert am",
    "solved_at": "solved | solved on | resolved | resolved at | closed at | geloest am",
    "brand_id": "brand | marke",
    "ticket_form_id": "form | ticket form | formular",
    "problem_id": "problem",
    "recipient": "received at | support address | to",
    "email_ccs": "cc | ccs | email cc",
    "name": "full name | display name | vollname | vollstaendiger name | nom | nombre | nome | "
    "navn | naam",
    "email": "mail | email address | e-mail-adresse | primary email | user email | email id",
    "phone": "telephone | tel | telefon | telefonnummer | mobile | mobile phone | cell | handy | "
    "phone number | telefono",
    "role": "rolle | user role | rol",
    "notes": "note | notiz | notizen | bemerkung | bemerkungen | remarks",
    "time_zone": "timezone | zeitzone | tz",
    "locale": "language | lang | sprache | langue | idioma",
    "suspended": "is suspended | gesperrt",
    "verified": "is verified | email verified",
    "domain_names": "domain | domains | website domain | email domain | email domains",
    "user_id": "user | agent | member | person | benutzer | nutzer",
    "target_id": "target | into | merge into | original | master | target ticket | keep | ziel",
    "source": "from | source id | parent | source record",
    "target": "to | target id | child | target record",
    "target_comment": "comment in target | note in target | note | comment | kommentar",
    "source_comment": "comment in source | note in source | note | comment | kommentar",
    "attribute_values": "attribute | attributes | skill | skills | attribute value",
    "relationship_type": "relationship | relation",
    "jobmetadata.uri": "uri | url | file uri | source uri",
}
"""Field → headers, parted by bars."""

OTHERWISE: Mapping[str, str] = {
    "requester.name": "requester | customer | client | contact | reporter | kunde | name",
    "organization.name": "organization id",
}
"""The same for names that mean another field sooner."""

CONTENT = ("custom_object_fields.", "attributes.")
"""Where records hold what they are about: a column that matches nothing else is one of theirs."""

NOUNS: Mapping[str, str] = {
    "tickets": "ticket | case | request | incident",
    "users": "user | contact | customer | agent | person",
    "organizations": "organization | organisation | company | account",
    "organization_memberships": "membership | organization membership",
    "group_memberships": "membership | group membership",
    "agents": "agent | user",
    "custom_objects": "record | object | custom object record",
    "resources": "record | object | resource",
    "relationships": "relationship | relationship record | record",
}
"""First part of an operation's name → what its records are called: "Ticket", "Ticket ID",
"Ticket #" name one."""

NAME_PARTS = (
    "first name | last name | given name | family name | surname | vorname | nachname | prenom | "
    "forename | nombre de pila | apellido | cognome"
)
"""Headers of columns that hold a part of a person's name."""

MERGED = "duplicate | source | source ticket | merge | merge from | close | duplicate ticket"
"""What the ticket that a merge closes is called."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "priority": {
        "hoch": "high",
        "niedrig": "low",
        "dringend": "urgent",
        "haute": "high",
        "basse": "low",
        "alta": "high",
        "baja": "low",
        "bassa": "low",
        "urgente": "urgent",
        "hoy": "high",
        "lav": "low",
        "hoog": "high",
        "laag": "low",
    },
    "status": {
        "neu": "new",
        "offen": "open",
        "wartend": "pending",
        "geloest": "solved",
        "resolved": "solved",
        "geschlossen": "closed",
        "nouveau": "new",
        "ouvert": "open",
        "resolu": "solved",
        "ferme": "closed",
        "nuevo": "new",
        "abierto": "open",
        "resuelto": "solved",
        "cerrado": "closed",
        "onhold": "hold",
    },
    "role": {"enduser": "end-user", "administrator": "admin", "endbenutzer": "end-user"},
    "type": {"frage": "question", "aufgabe": "task", "vorfall": "incident"},
}
"""Field → cell, folded → the documented word that it means, and no other one. What could be two of
them ("medium") is not here."""

_TEXTS = (
    "subject title name body html_body description external_id phone mobile fax zip zipcode "
    "postcode postalcode postal_code plz notes details alias signature recipient raw_subject "
    "comment sku ref reference iban account_number customer_number serial serial_number "
    "identifier code version street address house_number"
)
PLAIN_TEXTS = frozenset(_TEXTS.split())
"""Last parts of fields that are texts, however much their cells look like numbers."""

LISTS = frozenset({"tags", "labels", "keywords"})
"""Last parts of fields that hold lists, where nobody documents the field."""
