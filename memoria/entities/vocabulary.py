"""Words that the rules know."""

# Short forms and the names they stand for; both sides lower case.
ALIASES = {
    "k8s": "kubernetes",
    "postgres": "postgresql",
    "psql": "postgresql",
    "pg": "postgresql",
    "js": "javascript",
    "ts": "typescript",
    "golang": "go",
    "mongo": "mongodb",
    "elastic": "elasticsearch",
    "reactjs": "react",
    "react.js": "react",
    "vue.js": "vue",
    "nextjs": "next.js",
    "nodejs": "node.js",
    "node": "node.js",
    "gha": "github actions",
    "tf": "terraform",
    "gcp": "google cloud",
}

# Written in lower case and still a name.
TECH_WORDS = frozenset(
    "python rust golang java javascript typescript kotlin swift ruby php scala elixir react angular vue"
    " svelte django flask fastapi rails spring laravel express docker kubernetes k8s terraform ansible"
    " jenkins nginx redis postgres postgresql mysql mariadb sqlite mongodb kafka rabbitmq elasticsearch"
    " grafana prometheus graphql grpc aws gcp azure linux git github gitlab webpack vite pytest numpy"
    " pandas pytorch tensorflow spark hadoop airflow node.js next.js vim emacs celery jwt oauth".split()
)

# Capitalised for their place in a sentence or the calendar, not because they name something.
COMMON_WORDS = frozenset(
    "a about after again all also always am an and any are as ask at back be because been before being"
    " below best better both but by can case change check class come consider could create current"
    " customer data date day days default deploy did do does done don down during each easy either email"
    " enterprise error every everyone everything example few file final find first fix for found from"
    " full general get give go going good got great had has have having he help her here hi high his how"
    " however i if important in incident instead into is issue it its just keep key know last later"
    " latest least let like list long look low made main make many may maybe me might month more most"
    " much must my need never new next no none not note nothing now of off ok okay old on once one only"
    " open or order other our out over own page part per phase place plan please point policy possible"
    " prefer previous production project put question read really recent report required result review"
    " right root run same see service set several she should show since small so some something soon"
    " start status step still such sure system table take task team test than thank thanks that the"
    " their them then there these they thing things this those though through ticket time to today"
    " together tomorrow too true try two type under unrelated until up update us use used user users"
    " using version very wait want was way we week weeks well were what when where whether which while"
    " who why will with within without work working would yes yesterday yet you your monday tuesday"
    " wednesday thursday friday saturday sunday january february march april may june july august"
    " september october november december assistant step".split()
)

# What notes, tasks and remarks begin with; and words that are capitals by habit.
COMMON_WORDS |= frozenset(
    "added although always answer anyway appointment april asap attention backup bad beware book"
    " breakfast bring bug buy call careful caution cc check clean coffee conclusion context cost"
    " deadline dear deployment deploy dinner done download draft dr drink dry during eat english enough"
    " everybody family feature feedback finally finish first fish follow food friday friend friends"
    " fresh fun further game goal great happy hello help hi home hot house idea important info instead"
    " item job keep kitchen late learn leave lesson let lunch mail meanwhile meet meeting memo message"
    " milk miss money monday mr mrs ms morning music name nature next news night nobody nothing notice"
    " office one otherwise outside own pay payment people perhaps phone pick please prof problem"
    " progress pros question quick rain rather read ready reminder remember reply report request rest"
    " reviewed run sadly same save school second sell send sentence server shop shopping sleep solution"
    " somebody someone sometimes soon sorry source specifically speak staging stop story summary sunday"
    " support talk tea team tell temperature thank thanks then third thursday tip title todo tomorrow"
    " tonight topic total train travel trip tuesday turn understand unfortunately unless usually various"
    " wait walk warning watch water weather wednesday weekend welcome whatever whenever wherever whoever"
    " wifi winter summer spring autumn world write wrong year years yesterday yes ceo cto faq fyi imo"
    " lol nb ok ps re tbd tl usa wip usd eur gbp cny rmb jpy chf kb mb gb tb kg km cm mm ml ms am pm utc"
    " gmt cet".split()
)
COMMON_WORDS |= frozenset(
    "accept adjust allow apply approve archive arrange assign attach avoid begin block build cancel"
    " choose close collect combine compare complete configure confirm connect contact continue convert"
    " copy count cut decide define delay delete describe design develop disable discuss document drop"
    " edit enable ensure expect explain export extend fetch fill fit fork forget format gather generate"
    " grow handle hold ignore import improve include increase insert install invite join limit link load"
    " lock log merge migrate move mount open optimize order organize pack park patch pause pin plug post"
    " prepare press prevent print process promise protect provide pull push raise reach rebuild receive"
    " record reduce refactor register reject release reload remove rename repair repeat replace restart"
    " restore retry return review rewrite rotate save scale schedule search select separate serve share"
    " ship sign skip solve sort split stay store submit suggest switch sync tag teach test throw touch"
    " track transfer translate trust type upgrade upload validate verify view visit".split()
)
# Before a name these belong to it.
NAME_BEGINNINGS = frozenset("new san saint mount lake north south east west united great".split())
KINDS_OF_NAME = frozenset("project team operation".split())
BEFORE_NAMES = NAME_BEGINNINGS | KINDS_OF_NAME
# Words that are no terms by themselves, even in capitals.
NO_TERMS = COMMON_WORDS | frozenset("gmbh corp inc ltd llc plc".split())
# Ends of words that begin a sentence and name nobody; and names that end so all the same.
WORD_ENDS = (
    *(
        "ing",
        "ed",
        "ly",
        "tion",
        "sion",
        "ement",
        "yment",
        "ness",
        "ity",
        "ance",
        "ence",
        "ship",
        "ism",
        "able",
        "ible",
    ),
    *("ful", "less", "ous", "ive", "ies"),
)
NAMES_WITH_WORD_ENDS = frozenset(
    "alfred boeing clive emily felicity florence fred harding irving italy jared kelly lawrence lily"
    " manning molly mohammed ahmed olive billy polly sally sterling ted beijing nanjing chongqing"
    " terrence constance clemence".split()
)
# The last part of a service's name.
SERVICE_SUFFIXES = frozenset(
    "service api app gateway worker server client db cache queue pipeline job bot sdk cli ui cluster"
    " proxy agent registry store hub engine portal module platform backend frontend scheduler operator"
    " controller exporter adapter plugin driver broker collector router balancer runner parser".split()
)
