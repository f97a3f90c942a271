"""What is known of given names beforehand: titles that are no name, and short forms.

The table says only that two forms may be one name ("bill" and "william"); it says nothing of a person.
"""

from collections.abc import Sequence

__all__ = ["SHORT_FORMS", "TITLES", "name_groups"]

TITLES = """
mr mrs ms miss mx dr prof sir dame lord lady rev revd hon rt capt captain major col colonel general gen lt jr sr ii iii iv esq phd md
bart bt baronet baron earl viscount admiral reverend master sergeant sgt 1st 2nd 3rd 4th 5th 6th 7th 8th 9th of the
"""

SHORT_FORMS = """
abigail abby gail|abraham abe bram|adelaide addie ada|albert al bert bertie|alexander alex al alec sandy sasha xander|
alexandra alex sandra sasha lexi|alfred alf alfie fred|alice ally elsie|amanda mandy|amelia amy millie|andrew andy drew|
angela angie|ann anne anna annie nan nancy hannah|anthony tony anton antonio|arthur art artie|augustus gus august|
barbara barb babs barbie|bartholomew bart|beatrice bea trixie|benjamin ben benny benji|bernard bernie|bridget biddy|
caroline carrie carol lina|catherine cathy kate katie kitty katherine kathryn kathleen kathy kay kit cate cat|cecilia cis celia|
charles charlie chuck chas carl carlo carlos karl|charlotte lottie charley charlie|christian chris|christina tina chris chrissy christine|
christopher chris kit topher|clarence clare|cornelius con neil|cynthia cindy|daniel dan danny dani|david dave davy davie|
deborah deb debbie|dennis denny|dolores lola|dominic dom nick|donald don donnie|dorothy dot dolly dora dorothea|douglas doug|
edgar ed|edmund ed ned ted eddie|edward ed eddie ned ted teddy edouard eduardo|edwin ed ned eddie|eleanor ellie nell nora ellen elinor|
elijah eli|elizabeth liz lizzie beth betty bess bessie eliza elsie libby lisa betsy lily elisabeth|emily em emmy millie|emma em|
ernest ernie|esther essie hettie|eugene gene|evelyn eve evie|ezekiel zeke|florence flo flossie|frances fanny fran francie frankie|
francis frank fran francois francisco|franklin frank|frederick fred freddie freddy rick fritz frederic|gabriel gabe|
george georgie jorge georges|gerald gerry jerry|gertrude trudy gertie|gilbert gil bert|gregory greg|harold harry hal|
harriet hattie harriett|helen nell nellie ellen lena|henry harry hal hank heinrich henri|herbert bert herb bertie|horace horry|hubert bert hugh|
hugh hugo hughie|ignatius iggy|isaac ike zac|isabella bella izzy isabel isobel belle|jacob jake jack|james jim jimmy jamie jem jacob jacques|
jane janie jenny jean|janet jan jenny|jacqueline jackie|jeffrey jeff geoff geoffrey|jennifer jen jenny|jeremiah jerry jem|jeremy jerry jem|
jessica jess jessie|joan joanie|johanna jo joanna joanne|john jack johnny jon johann jean juan jock|jonathan jon jonny nathan|
joseph joe joey jo jose josef|josephine jo josie|joshua josh|judith judy|julia julie jill|katherine kate kathy katie kay kitty|
kenneth ken kenny|laura laurie lori|lawrence larry lars laurie laurence|leonard len lenny leo|leopold leo|lewis lew louis louie|
lillian lily lil|louisa lou louise lulu|lucy lu lucia|lucinda lucy cindy|margaret maggie meg peggy madge marge margie daisy greta rita margery|
maria mary marie mia|martha marty mattie patty|martin marty|mary molly polly mae may mamie minnie marie maria|mathilda tilly matilda maud|
matthew matt matty|maurice mo morris|maximilian max|melissa mel lissa|michael mike mick mickey mikey micky michel miguel|
mildred millie|nathaniel nat nate nathan|nicholas nick nicky nico klaus nicolas|nora honora|oliver ollie noll|
pamela pam|patricia pat patty tricia trish|patrick pat paddy rick|paul paulie pablo|penelope penny|percival percy|peter pete pierre pedro|
philip phil pip phillip|phoebe fay|priscilla cilla|rachel rae|raymond ray|rebecca becky becca|reginald reg reggie rex|
richard dick rick ricky rich richie ritchie dickie ricardo|robert bob bobby rob robbie robin bert roberto|roderick rod rick|roger rodge|
ronald ron ronnie|rosemary rose rosie|rudolph rudy|rupert robert|russell russ|samantha sam|samuel sam sammy|sarah sally sadie sal sara|
sebastian seb|sidney sid sydney|simon si|sophia sophie fia|stanley stan|stephen steve stevie stephan steven ste|stuart stu|
susan sue susie suzy susannah susanna|sylvester sly vester|teresa terry tess tessa theresa|terence terry|theodore ted teddy theo|
theophilus theo|thomas tom tommy thom|timothy tim timmy|tobias toby|ursula ursie|valentine val|valerie val|veronica ronnie vera|
victor vic|victoria vicky tori vic|vincent vince vin|virginia ginny|walter wally walt wat|wilfred wilf fred|wilhelmina mina minnie billie|
william bill billy will willie liam willy wilhelm guillaume|winifred win winnie fred|zachary zach zack zac|agnes aggie nessie|alan allan allen al|alistair alexander alasdair|algernon algie|angus gus|archibald archie baldie|arabella bella|
adrian ade|antoinette toni netta|basil baz|bernard barney|clement clem|clifford cliff|cyril cy|duncan dunc|edith edie|elias eli|enoch noch|
evan john ieuan|gareth gary|gerard gerry jerry|gordon don gordie|graham graeme|guy guido|harvey harv|henrietta harriet etta hattie|
howard howie|hugh huw huey|ian john iain|ivan john evan|jan john hans giovanni sean shaun shane|jake james|janet jessie jeanette|jay james|
lavinia vinnie|llewellyn llew|malcolm mac|marcus mark marc|matilda tilda|moses mo|murdoch murdo|norman norrie norm|owen owain|
peregrine perry|phineas phin|raphael rafe|solomon sol|theodora dora|thaddeus thad|wallace wally|wilfrid wilf|william gwilym wiliam|edwin win|
rosalind ros|rosamund ros|yvonne eve|zebulon zeb|aleksander alexander|aleksandra alexandra|muhammad mohammed mohamed muhammed mo|
jose pepe|francisco paco pancho|guillermo memo william|enrique henry kike|ignacio nacho|guadalupe lupe|dolores lola|jesus chuy|
miguel michael|juan john|pedro peter|pablo paul|jorge george|luis louis|esteban stephen|andres andrew|mateo matthew
"""


def name_groups(words: Sequence[str]) -> list[tuple[int, ...]]:
    """For each word, the groups of forms in which it stands; two words of one group may be one name."""
    groups: dict[str, tuple[int, ...]] = {}
    for number, line in enumerate(SHORT_FORMS.replace("\n", "").split("|")):
        for form in sorted({_plain_ending(form) for form in line.split()}):
            groups[form] = (*groups.get(form, ()), number)
    return [groups.get(_plain_ending(word), ()) for word in words]


def _plain_ending(word: str) -> str:
    """Robbie, robbey and robbi as robby."""
    for ending in ("ie", "ey", "i"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word.removesuffix(ending) + "y"
    return word
