"""What syncd knows of written languages: enough to tell whether a reading of some bytes is language. Pure.

For each alphabetic language its letters beyond a-z, and some hundred frequent words: their pairs of letters tell how
the language spells. For Chinese, Japanese and Korean the characters that make up most of any text. This decides
between *readings of the same bytes*, never between languages that read alike: Danish taken for Norwegian is the same
text.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """One alphabetic language.

    Args:
        name: in English, as it is shown to people.
        letters: its small letters beyond a-z, composed (NFC).
        loans: letters of foreign words that are common enough not to speak against it.
        words: frequent words in small letters.
    """

    name: str
    letters: frozenset[str]
    loans: frozenset[str]
    words: frozenset[str]


def _language(name: str, letters: str, loans: str, words: str) -> Language:
    return Language(name, frozenset(letters), frozenset(loans), frozenset(words.split()))


LANGUAGES: tuple[Language, ...] = (
    _language(
        "English",
        "",
        "é",
        "the of and to in is that it for was on are as with his they at be this have from or one had by word but "
        "not what all were we when your can said there use an each which she do how their if will up other about "
        "out many then them these so some her would make like him into time has look two more write go see number "
        "no way could people my than first water been call who oil its now find long down day did get come made "
        "may part over new after please before must open close keep read switch every between under should only "
        "also where through very power machine office report room user file page system work service temperature "
        "pressure pump valve café",
    ),
    _language(
        "German",
        "äöüß",
        "éà",
        "der die das und in den von zu mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er "
        "hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor "
        "zur bis mehr durch man dann da sein kann muss soll alle diese dieser dieses wenn müssen können während "
        "für außerdem größe höhe prüfen öffnen schließen gerät geräte büro straße früh später täglich jährlich "
        "natürlich möglich wärme kühl öl ölwechsel lüfter menü schlüssel tür türen räume gebäude bedienung anlage "
        "pumpe wasser druck uhr tag jahr stunden immer unter zwischen gegen ohne viele keine wir ihr ich sehr neue "
        "neuer schon heute übersicht ausführen zurück wählen ändern änderung löschen hinzufügen ungültig verfügbar "
        "benötigt fähig gemäß maß fuß weiß heiß groß grün blau fünf zwölf für gehört führt läuft fällt hält würde "
        "wäre hätte",
    ),
    _language(
        "French",
        "àâæçéèêëîïôœùûüÿ",
        "ñ",
        "le la les de des du un une et en est dans que qui pour par sur pas plus au aux ce cette ces il elle ils "
        "avec ne se sont son sa ses leur leurs ou mais comme nous vous on être avoir fait faire peut doit tout "
        "tous toute même après avant très où été était déjà chaque entre sous sans contre à là il y a à l'eau "
        "d'eau c'est qu'il température sécurité société première dernière matière manière règle période réunion "
        "bureau réseau système problème numéro année créer modifié dépôt côté fenêtre tête forêt prêt août île "
        "maître connaître coût goût français leçon reçu façon ça hôtel bientôt contrôle dû sûr brûler noël naïf "
        "cœur œuvre élève fermé ouvert vérifier opération sélection paramètre paramètres fichier répertoire "
        "utilisé réservé employés fête lumière élevé électrique étage état éviter écrire éteindre heures jours "
        "semaine matin soir midi machine huile pompe",
    ),
    _language(
        "Spanish",
        "áéíñóúü¿¡",
        "ç",
        "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin "
        "sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi "
        "porque qué sólo han yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo mismo ese "
        "ahora cada vida otro después te otros aunque esa eso hace otra tan durante siempre día tanto ella sí sido "
        "año país según menos máquina presión válvula operación instalación dirección información código número "
        "página configuración contraseña pequeño señal español mañana niño compañía reunión opción versión línea "
        "teléfono técnico eléctrica energía oficina útil último única régimen antes aceite agua bomba debe deben "
        "archivo horas cambiar comprobar",
    ),
    _language(
        "Portuguese",
        "áâãàçéêíóôõúü",
        "ñ",
        "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu "
        "sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos "
        "ter seus quem nas me esse eles estão você tinha foram essa num nem suas meu às minha têm numa pelos havia "
        "seja qual será nós lhe deles estas este dele tu te vocês máquina pressão válvula operação instalação "
        "informação código número página configuração versão opção função não são então mão irmão estação reunião "
        "atenção manutenção português inglês mês três câmara distância ciência água óleo rápido técnico relatório "
        "escritório início serviço começar cabeça preço força avô pôr põe ações opções condições antes horas bomba "
        "deve devem arquivo ficheiro utilizador",
    ),
    _language(
        "Italian",
        "àèéìîòóù",
        "",
        "di che è la il un a per in una mi sono ho non ma lo ha le si ti i con cosa se io come da ci no questo qui "
        "e hai sei del bene tu sì me più al mio perché lei solo te era gli tutto della così mia ne questa fare "
        "quando ora fatto essere mai chi o alla tutti molto dei anche detto quello va niente grazie lui voglio "
        "abbiamo stato nel suo dove posso oh prima allora siamo poi ogni deve devono può essere già né cioè però "
        "finché città qualità velocità attività possibilità università quantità temperatura pressione macchina "
        "acqua olio pompa valvola ufficio lunedì martedì venerdì giovedì mercoledì sarà farà potrà dovrà verrà là "
        "lassù giù quaggiù laggiù proprietà dopo durante senza sotto sopra dal dalla dalle nella nelle sulla degli "
        "delle ore giorno giorni anno sistema file",
    ),
    _language(
        "Dutch",
        "éèëïöüáó",
        "êçà",
        "de het een en van ik te dat die in is hij niet op aan met voor als zijn er maar om dan bij ook naar uit "
        "door over ze zich tot je mijn deze wat zo kan nog of werd wordt worden hebben heeft moet moeten kunnen "
        "geen meer veel onder tegen na daar wel nu hier twee iets waar dit was hun alle één drie jaar uur dagen "
        "week tussen zonder elke olie water pomp klep druk machine kantoor bestand gebruiker coördinatie ideeën "
        "geïnstalleerd reünie financiële officiële België zeeën coöperatie patiënt patiënten efficiënt geëist "
        "oriënteren beïnvloed tweeën geïnformeerd industriële beëindigd knieën ruïne vóór hé café materiële "
        "theorieën categorieën drieën poëzie",
    ),
    _language(
        "Swedish",
        "åäöé",
        "àü",
        "och i att det som en på är av för med till den har de inte om ett han men var jag sig från vi så kan hon "
        "när skulle år kunde vara efter ut ska där hade nu över mot under eller än också sin upp mycket alla får "
        "in två man kommer mellan bara här måste någon något några även innan samma många första sådan både före "
        "början gå stå få måste välja öppna stänga ändra ange använd använda användare fönster språk säker "
        "säkerhet tillåtet hjälp tryck vatten olja pump ventil maskin kontor dag dagar timmar väder kväll måndag "
        "lördag söndag åtgärd åter värme hög högre låg lägga längre större större små själv själva rätt lätt kött "
        "hör gör för är nästa sätt",
    ),
    _language(
        "Danish",
        "æøåé",
        "äöü",
        "og i at det er en til på af for med den de som har ikke der et jeg du han var sig men vi om kan så eller "
        "fra hun ved skal vil havde være også når efter ud over man blev mod år alle op hvor ind må før mellem "
        "under nu hvis sin her meget nogle mange første få får går står både åbn åbne lukke ændre vælg vælge "
        "bruger brugere række måde løbe køre gøre føre høj højere lør lørdag søndag måned dag dage timer køl grøn "
        "rød læse skrive sætte hjælp tæt værdi værktøj størrelse længde nøgle nødvendigt ugyldig fejl tryk vand "
        "olie pumpe ventil maskine kontor gør hændelse indstillinger tilføj tilgængelig øverst igen ændringer "
        "kræver påkrævet således næste også våd blå",
    ),
    _language(
        "Norwegian",
        "æøåòôé",
        "äöü",
        "og i det er som en på til av for med at den de har ikke et jeg var han men seg vi om så kan eller fra hun "
        "ved skal vil hadde være også når etter ut over man ble mot år alle opp hvor inn må før mellom under nå "
        "hvis sin her mye noen mange første få får går står både åpne lukke endre velg velge bruker brukere rekke "
        "måte kjøre gjøre føre høy høyere lørdag søndag måned dag dager timer grønn rød lese skrive sette hjelp "
        "tett verdi verktøy størrelse lengde nøkkel nødvendig ugyldig feil trykk vann olje pumpe ventil maskin "
        "kontor gjør mappe løsning innstillinger tilgjengelig øverst igjen endringer krever påkrevd således neste "
        "blå våt kjøkken værmelding",
    ),
    _language(
        "Finnish",
        "äöå",
        "šžé",
        "ja on ei se että oli hän en ole mutta kun niin tai joka sen kuin mitä minä nyt jos vain ovat voi myös "
        "sitä me tämä hänen ollut mukaan jo kaikki sekä vielä olla ennen jälkeen sitten kanssa hyvin siitä tässä "
        "täällä siellä missä mikä näin tämän tätä näitä nämä älä pitää täytyy saa tulee kaksi yksi vuoden päivä "
        "päivää tuntia tunnin öljy öljyn vesi pumppu kone koneen lämpötila paine venttiili toimisto sää sähkö "
        "käyttö käyttää käyttäjä työ työtä pöytä tyttö hyvä mitään tehdä lisää enää sisään päälle määrä määritetty "
        "tiedosto tiedostoa järjestelmä käynnistä näyttää pysäytä väärä virhe löydy säästä ympäri yli alle aina "
        "joskus heti viikko maanantai",
    ),
    _language(
        "Icelandic",
        "áðéíóúýþæö",
        "",
        "og að í á er sem var til við um það en með af ekki fyrir hann ég því þá eru frá þetta hún þau þeir vera "
        "hefur upp þegar eða eftir þess þar svo nú hafa þú mér allt þessi hans verið hefði út yfir hér má sér sig "
        "einn ein eitt ár ári dag daga maður hvað hver undir áður milli alltaf þarf skal vél vélin vatn olía olíu "
        "þrýstingur dæla loki skrifstofa veður rigning hiti kalt öryggi öllum allir hverju hætta nýtt ný góður "
        "stór lítill kvöld morgun mánudag föstudag vinna vinnu þrjú fjögur fimm tíu kerfi skrá notandi lykilorð "
        "villa opna loka breyta",
    ),
    _language(
        "Estonian",
        "äõöüšž",
        "",
        "ja on ei et see oli ta kui ka oma siis aga mis ma nii või välja mida veel kes üle pole ole seda tema "
        "mitte ning kõik peale juba olla enne pärast nagu selle need nende ainult kus kuid väga üks kaks mees aeg "
        "aasta päev päeva tundi tunni õli vesi vee pump masin masina rõhk klapp kontor ilm töö tööd töötab kõige "
        "möödunud jääb läheb võib võtta peab tuleb saab pöörata hästi näiteks mõõta mõne kõrge kõik hoida avada "
        "sulgeda käsk võti kasutaja fail süsteem süsteemi küsimus ühe ühtegi üldine täpne täna järgmine määrata "
        "lõpp lõpuks põhjus sõna õige öö külm",
    ),
    _language(
        "Latvian",
        "āčēģīķļņšūžō",
        "",
        "un ir ar no uz par bet kas ka tas tā kā vai ne to tika pie arī viņš viņa jau tikai līdz pēc pirms lai nav "
        "būt bija ja tad vēl kad ko šis šo šī mēs jūs viņi viss visi ļoti kur gan starp bez zem var jābūt nedrīkst "
        "katru gada gads dienas diena stundas stundām eļļa eļļu ūdens sūknis sūkņa mašīna spiediens vārsts birojs "
        "laiks darbs darba darbību pārbaudīt atvērt aizvērt mainīt izmantot lietotājs sistēma fails jāveic nākamā "
        "pirmā otrā divi trīs viens viena šādi tāpēc kāpēc tomēr vienmēr nekad šodien rīt vakar īpašs ātri augstāk "
        "zemāk sākt beigt pilsēta māja ielā cilvēki reizi kārtībā nepieciešams iespējams iekārta telpās tīrīt ķēde "
        "ģimene ņemt žurnāls",
    ),
    _language(
        "Lithuanian",
        "ąčęėįšųūž",
        "",
        "ir yra kad su į iš tai ar kaip bet ne po per už jis ji jo jos tik dar jau buvo nuo prie apie iki kai kur "
        "tuo arba taip pat labai turi gali būti reikia prieš tarp be pagal kas šis šio ši šią jų mes jūs visi visą "
        "viena du trys metų metai dienos diena valandų valandas alyva alyvą vanduo vandens siurblys siurblio "
        "mašina slėgis vožtuvas biuras oras darbas darbo patikrinti atidaryti uždaryti keisti naudoti naudotojas "
        "sistema failas kiekvieną pirmas antras šiandien rytoj vakar visada niekada greitai aukštas žemas pradėti "
        "baigti miestas namas žmonės kartą būtina galima įrenginys įrangą valyti šeima imti žurnalas prašome dėl "
        "taigi todėl tačiau jeigu ką šių",
    ),
    _language(
        "Polish",
        "ąćęłńóśźż",
        "éöü",
        "i w nie na się z do to że jest o a jak po co za od ale tak już są przez może dla jego tym być był tylko "
        "było jej ze czy tego oraz które który która jako przed po bez pod nad gdy tej ich aby więc także między "
        "każdy każdego ma mają należy można trzeba będzie będą jeśli gdzie bardzo wszystkie wszystko też tu teraz "
        "dwa trzy pięć lat rok dni dzień godzin godziny olej oleju woda wody pompa pompy maszyna maszyny ciśnienie "
        "zawór biuro pogoda praca pracy sprawdzić otworzyć zamknąć zmienić użyć użytkownik użytkownika system plik "
        "błąd błędu wyłączyć włączyć żeby źródło świat śnieg łatwo książka dźwięk głowa środa piątek niedziela "
        "wymiana wymianą tysięcy dostęp następnie później również nieprawidłowy ścieżka długość wartość część "
        "ilość możliwość jeść źle późno",
    ),
    _language(
        "Czech",
        "áčďéěíňóřšťúůýž",
        "öü",
        "a v se na je že to s z o i do jako by ve pro k ale po jsou který jeho za od si byl než tak jak která aby "
        "když až při nebo bylo byla ze jen být již také podle před není jsem která které všechny každý každé mezi "
        "bez pod nad může musí je třeba pokud kde velmi teď dva tři pět rok let roku den dny dní hodin hodiny olej "
        "oleje voda vody čerpadlo čerpadla stroj stroje tlak ventil kancelář počasí práce kontrola zkontrolujte "
        "otevřít zavřít změnit použít uživatel systém soubor chyba vypnout zapnout něco někdo člověk město dům "
        "světlo sníh řeka děti příští přístup následující později neplatný cesta délka hodnota část množství "
        "možnost údržba údržby dveře středa pátek neděle výměna výměnou nejsou své svůj můj šest žádný ještě řádek "
        "volba zpráva během protože ďábel ťuk",
    ),
    _language(
        "Slovak",
        "áäčďéíĺľňóôŕšťúýž",
        "öü",
        "a v sa na je že to s z o i do ako by vo pre k ale po sú ktorý jeho za od si bol než tak aby keď až pri "
        "alebo bolo bola zo len byť už tiež podľa pred nie som ktorá ktoré všetky každý každé medzi bez pod nad "
        "môže musí treba ak kde veľmi teraz dva tri päť rok rokov roku deň dni hodín hodiny olej oleja voda vody "
        "čerpadlo čerpadla stroj stroje tlak ventil kancelária počasie práca kontrola skontrolujte otvoriť "
        "zatvoriť zmeniť použiť používateľ systém súbor chyba vypnúť zapnúť niečo niekto človek mesto dom svetlo "
        "sneh rieka deti ďalší prístup nasledujúci neskôr neplatný cesta dĺžka hodnota časť množstvo možnosť "
        "údržba údržby dvere streda piatok nedeľa výmena nové "
        "vždy žiadny žena život ľudia ľahko späť sieť nájsť čítať písať pridať zmazať šesť ťažko ďakujem nášho vášho",
    ),
    _language(
        "Hungarian",
        "áéíóöőúüű",
        "",
        "a az és hogy nem is egy ez de meg csak már van volt ha ki mint még el sem azt le fel kell lehet mert vagy "
        "után előtt között minden nagyon itt ott majd most aki ami ezt által szerint nélkül alatt felett két három "
        "öt év éves nap napok óra órák olaj olajat víz vizet szivattyú gép gépet nyomás szelep iroda időjárás "
        "munka ellenőrizni ellenőrizze nyitni zárni módosítani használni felhasználó rendszer fájl hiba "
        "kikapcsolni bekapcsolni valami valaki ember város ház fény hó folyó gyerekek következő hozzáférés később "
        "érvénytelen út hossz érték rész mennyiség lehetőség karbantartás ajtó szerda péntek vasárnap csere idő "
        "idős nő férfi jó több első második új régi kérem nincs lesz tud több ő őket mögött törölni kötelező "
        "működik egyéb szükséges dolgozó csütörtök költség",
    ),
    _language(
        "Romanian",
        "ăâîşţșț",
        "é",
        "de şi în a la cu pe nu o un să se din că este pentru care mai ce ca sau dar după prin fi au ale al până "
        "când fost foarte între fără sub trebuie poate această acest aceste dacă unde acum doi două trei cinci an "
        "ani zile zi ore ora ulei uleiul apă apa pompă pompa maşină maşina presiune supapă birou vreme muncă "
        "verificaţi deschide închide schimba folosi utilizator sistem fişier eroare opri porni ceva cineva om oraş "
        "casă lumină zăpadă râu copii următor următoarea acces mai târziu cale lungime valoare parte cantitate "
        "posibilitate întreţinere uşă miercuri vineri duminică schimbare fiecare încă aici toţi toate sunt suntem "
        "aţi îşi îi lui ei lor nostru înainte şase şapte ţară ţări viaţă informaţii opţiuni operaţie setări pagină "
        "și în să ești țară toți viață informații",
    ),
    _language(
        "Croatian",
        "čćđšž",
        "",
        "i u je se na da su za od s a ne o to kao koji iz ili bi što po ali nije koja samo do biti sve još može "
        "prije poslije nakon pri već koje kako ako gdje vrlo sada dva tri pet godina godine dan dana sati sat ulje "
        "ulja voda vode pumpa pumpe crpka stroj mašina tlak pritisak ventil ured kancelarija vrijeme vreme rad "
        "rada provjerite proverite otvoriti zatvoriti promijeniti promeniti koristiti korisnik sustav sistem "
        "datoteka greška isključiti uključiti nešto netko neko čovjek čovek grad kuća svjetlo snijeg sneg rijeka "
        "djeca sljedeći sledeći pristup kasnije duljina dužina vrijednost dio količina mogućnost održavanje vrata "
        "srijeda petak nedjelja svaki svake između bez pod iznad moraju mora treba također takođe ćemo će više "
        "manje među vođa đak žena ljudi učiniti noć",
    ),
    _language(
        "Slovenian",
        "čšž",
        "ćđ",
        "in je v da na se za so ki pa z ne s po tudi kot bi ni ali od pri bo o iz do še kako le že ko lahko ter "
        "bil pred med tako če kjer zelo zdaj dva tri pet let leta leto dan dni ur ure olje olja voda vode črpalka "
        "stroj stroja tlak ventil pisarna vreme delo preverite odpreti zapreti spremeniti uporabiti uporabnik "
        "sistem datoteka napaka izklopiti vklopiti nekaj nekdo človek mesto hiša luč sneg reka otroci naslednji "
        "dostop pozneje dolžina vrednost del količina možnost vzdrževanje vrata sreda petek nedelja vsak vsake "
        "brez pod nad mora morajo treba več manj ženska ljudje narediti noč biti bila bilo vse vsi svoj moj naš "
        "vaš šest žal čas časa začeti preklic nastavitve",
    ),
    _language(
        "Albanian",
        "çë",
        "",
        "të e i në dhe për që me një nga së është u ka nuk si do ai më kjo ky këtë por se po pas para deri mund "
        "duhet kur ku shumë tani dy tre pesë vit vjet ditë orë vaj vaji ujë uji pompa makina presioni valvula zyra "
        "moti puna kontrolloni hapni mbyllni ndryshoni përdor përdoruesi sistemi skedari gabim diçka dikush njeri "
        "qytet shtëpi dritë borë lumë fëmijë tjetër qasje vonë gjatësi vlerë pjesë sasi mundësi mirëmbajtje derë "
        "çdo çfarë gjithë janë jam kanë këto ato tyre saj tij ndërmjet pa nën mbi vetëm edhe gjithashtu nëse sepse "
        "duke çelës çaj bërë",
    ),
    _language(
        "Turkish",
        "çğıöşüâîû",
        "é",
        "ve bir bu da de için ile olarak çok daha olan gibi en ne kadar sonra önce ya ki o her şey var yok ama "
        "veya değil ise mi mı ben sen biz siz onlar şu kendi tüm bütün içinde üzerinde arasında altında göre karşı "
        "ancak sadece nasıl neden zaman gün günü günde saat saatte yıl yılda iki üç beş on yağ yağı su suyu pompa "
        "pompası makine makinenin basınç vana ofis büro hava çalışma çalışır kontrol edin açın kapatın değiştirin "
        "kullanın kullanıcı sistem dosya hata kişi insan şehir ev ışık kar nehir çocuk sonraki erişim geçersiz yol "
        "uzunluk değer parça miktar bakım kapı çarşamba cuma pazar değişim lütfen gerekir gerekli olmalıdır edilir "
        "edilmelidir yapılır olduğu olduğunu başlat dışarı ağ ağaç öğrenci öğle iş işlem güç güvenlik yüksek düşük "
        "küçük büyük yeni eski",
    ),
    _language(
        "Vietnamese",
        "àáâãèéêìíòóôõùúýăđĩũơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
        "",
        "và của là có không được các một cho trong để người với những này đã khi từ ra đến về vào như cũng trên "
        "phải nhiều tại thì theo sau hoặc hơn hay còn lại đó nếu làm việc năm ngày giờ tháng tuần nước dầu máy bơm "
        "áp suất van văn phòng thời tiết kiểm tra mở đóng thay đổi sử dụng người dùng hệ thống tập tin tệp lỗi tắt "
        "bật trước nguồn điện bảo dưỡng trì nhân viên cần đeo găng tay cách và ký tên sổ ghi chép nghìn nhà thành "
        "phố ánh sáng tuyết sông trẻ em tiếp truy cập sau chiều dài giá trị phần số lượng khả năng cửa thứ sáu chủ "
        "nhật mỗi giữa dưới mới cũ lớn nhỏ",
    ),
    _language(
        "Catalan",
        "àçèéíïòóúü·",
        "ñ",
        "de la i el que a en les per un els amb una del no és al va com es o dels més són aquest aquesta però si "
        "ha també seva seu quan fins entre sobre sense molt després abans cal pot ser hi ho on tot tots cada any "
        "anys dia dies hores oli aigua bomba màquina pressió vàlvula oficina temps feina treball comprovar obrir "
        "tancar canviar usuari sistema fitxer error apagar algú home ciutat casa llum neu riu nens següent accés "
        "llarg valor part quantitat manteniment porta dimecres divendres diumenge canvi això aquí així només què "
        "perquè està ésser però és informació opció versió telèfon pàgina número qüestió raó país països veïna "
        "col·legi paral·lel força plaça començar",
    ),
    _language(
        "Russian",
        "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
        "",
        "и в не на я что он с это по но как а из к у за от так же то все для о бы мы вы было она они его еще до "
        "или если быть был при только уже их чтобы когда этот этого также можно нельзя нужно должен должны после "
        "перед между без под над через где очень теперь два три пять лет год года день дней часов час масло масла "
        "вода воды насос насоса машина машины давление клапан офис погода работа работы проверить откройте "
        "закройте изменить использовать пользователь система файл файла ошибка отключить включить человек город "
        "дом свет снег река дети следующий доступ позже длина значение часть количество возможность обслуживание "
        "обслуживания дверь среда пятница замена необходимо каждый каждые который которые которая имя путь команда "
        "параметр вывод список объект новый большой во со ещё всё чём нет да руководство установка температура "
        "ремонт электропитание журнал сотрудники писать",
    ),
    _language(
        "Ukrainian",
        "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
        "",
        "і в не на що з до та за у й як це від для а про але його він по так є або також які який яка якщо бути "
        "було була були при тільки вже їх щоб коли цей цього можна потрібно слід після перед між без під над через "
        "де дуже тепер два три п'ять років рік року день днів годин година олія олива масло вода води насос насоса "
        "машина тиск клапан офіс погода робота роботи перевірити відкрийте закрийте змінити використовувати "
        "користувач система файл файлу помилка вимкнути увімкнути людина місто дім світло сніг ріка діти наступний "
        "доступ пізніше довжина значення частина кількість можливість обслуговування двері середа заміна необхідно "
        "кожен кожні ім'я шлях команда список новий великий її ці має мають інший ще всі все щодня ніч ввечері "
        "вивід об'єкт із зі назва їй свої своїх",
    ),
    _language(
        "Bulgarian",
        "абвгдежзийклмнопрстуфхцчшщъьюя",
        "ѝ",
        "и на в за се от да е не с че са по като до със или това през която който които има но при само след преди "
        "още вече между без под над може трябва ако къде много сега два три пет години година ден дни часа час "
        "масло вода водата помпа помпата машина машината налягане клапан офис времето работа проверете отворете "
        "затворете променете използва потребител система файл файла грешка изключете включете човек град къща "
        "светлина сняг река деца следващ достъп дължина стойност част количество възможност поддръжка врата сряда "
        "петък смяна всеки всяка съм си бъде бил била били той тя те ние вие нов голям името път команда параметър "
        "изход списък към във така също обаче докато защото първи втори тази този тези някои няма трябва да ъгъл "
        "съд вън въздух",
    ),
    _language(
        "Serbian",
        "абвгдђежзијклљмнњопрстћуфхцчџш",
        "",
        "и у је се на да су за од с а не о то као који из или би што по али није која само до бити све још може "
        "пре после након при већ које како ако где врло сада два три пет година године дан дана сати сат уље уља "
        "вода воде пумпа пумпе машина машине притисак вентил канцеларија време рад рада проверите отворити "
        "затворити променити користити корисник систем датотека грешка искључити укључити нешто неко човек град "
        "кућа светло снег река деца следећи приступ касније дужина вредност део количина могућност одржавање врата "
        "среда петак недеља сваки сваке између без под изнад морају мора треба такође ћемо ће више мање међу вођа "
        "ђак жена људи ноћ њих њега љубав џеп њен",
    ),
    _language(
        "Belarusian",
        "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
        "",
        "і ў не на што з да за у як гэта ад для а пра але яго ён па так ёсць або таксама якія які якая калі быць "
        "было была былі пры толькі ўжо іх каб гэты гэтага можна трэба пасля перад паміж без пад над праз дзе "
        "вельмі цяпер два тры пяць гадоў год дзень дзён гадзін алей масла вада вады помпа машына ціск клапан офіс "
        "надвор'е праца працы праверыць адкрыйце зачыніце змяніць карыстальнік сістэма файл памылка выключыць "
        "уключыць чалавек горад дом святло снег рака дзеці наступны доступ даўжыня значэнне частка колькасць "
        "магчымасць дзверы серада пятніца замена неабходна кожны новы вялікі яе мае яшчэ ўсе ўсё штодня назва свае "
        "сваіх абслугоўванне загад імя",
    ),
    _language(
        "Macedonian",
        "абвгдѓежзѕијклљмнњопрстќуфхцчџш",
        "ѐѝ",
        "и на во се да за од е со не го ги што како но или ќе по кој која кои има само до уште може мора треба "
        "пред после при веќе ако каде многу сега два три пет години година ден дена часа час масло вода водата "
        "пумпа пумпата машина машината притисок вентил канцеларија време работа проверете отворете затворете "
        "променете користи корисник систем датотека грешка исклучете вклучете нешто некој човек град куќа светло "
        "снег река деца следен пристап должина вредност дел количина можност одржување врата среда петок недела "
        "секој секоја меѓу без под над исто така повеќе помалку луѓе ноќ нив него бил била биле овој оваа овие тој "
        "таа тие сите ѕвезда џеб ќерка",
    ),
    _language(
        "Greek",
        "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
        "",
        "και το να του η της με για την είναι που τα των από σε ο οι στο θα δεν τη τον ένα μια στην τους ότι αλλά "
        "ως αν όταν πριν μετά πρέπει μπορεί πολύ τώρα δύο τρία πέντε χρόνια έτος ημέρα ημέρες ώρες ώρα λάδι νερό "
        "αντλία αντλίας μηχανή μηχάνημα πίεση βαλβίδα γραφείο καιρός εργασία ελέγξτε ανοίξτε κλείστε αλλάξτε "
        "χρήστης σύστημα αρχείο αρχείου σφάλμα κάτι κάποιος άνθρωπος πόλη σπίτι φως χιόνι ποτάμι παιδιά επόμενο "
        "πρόσβαση αργότερα μήκος τιμή μέρος ποσότητα δυνατότητα συντήρηση συντήρησης πόρτα τετάρτη παρασκευή "
        "κυριακή αλλαγή κάθε μεταξύ χωρίς κάτω πάνω όλα όλες αυτό αυτή αυτά ή μόνο επίσης στη στα στις στους τις "
        "έχει έχουν ήταν όπως λειτουργία ρεύμα νέο",
    ),
    _language(
        "Hebrew",
        "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
        "",
        "של את על לא הוא זה עם כי אם גם או יש אין כל היא הם אני אנחנו מה כן רק עוד אחרי לפני בין עד יותר מאוד כאשר "
        "כדי ניתן יכול צריך חייב ללא תחת מעל אשר היה הייתה היו להיות שנה שנים שנת יום ימים שעות שעה שמן השמן מים "
        "המים משאבה המשאבה מכונה המכונה לחץ שסתום משרד המשרד מזג האוויר עבודה העבודה בדוק פתח סגור שנה משתמש "
        "המשתמש מערכת המערכת קובץ הקובץ שגיאה משהו מישהו אדם עיר בית אור שלג נהר ילדים הבא גישה מאוחר אורך ערך חלק "
        "כמות אפשרות תחזוקה התחזוקה דלת רביעי שישי ראשון החלפה החלפת אלפים חמשת יש לנתק החשמל העובדים בכל לכל אל "
        "אך זו אלה שלא הזה כמו",
    ),
    _language(
        "Arabic",
        "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيًٌٍَُِّْ",
        "",
        "في من على إلى أن هذا هذه التي الذي مع عن لا ما كان كانت هو هي أو ثم قد كل بعد قبل بين حتى عند غير لم لن "
        "إذا كما يجب يمكن جدا الآن ثلاثة خمسة سنة سنوات عام يوم أيام ساعة ساعات الزيت زيت الماء ماء المضخة مضخة "
        "الآلة آلة الضغط ضغط الصمام المكتب مكتب الطقس العمل عمل تحقق افتح أغلق تغيير المستخدم مستخدم النظام نظام "
        "الملف ملف خطأ شيء شخص إنسان مدينة المدينة بيت ضوء ثلج نهر أطفال التالي الوصول لاحقا طول قيمة جزء كمية "
        "الصيانة صيانة الباب الأربعاء الجمعة الأحد فترة آلاف فصل التيار الكهربائي أولا وفي ومن وعلى ولا بها به له "
        "لها ذلك تلك هناك أي فقط أيضا دون تحت",
    ),
    _language(
        "Persian",
        "ءآأؤئابتثجحخدذرزسشصضطظعغفقكلمنهوىيپچژگةًّ",
        "",
        "و در به از كه اين را با است براي آن يك هاي تا بر بود شد شده مي خود ها كرد اما هر نيز بايد پس يا دو هم ما "
        "آنها دارد كنند كنيد كند شود باشد نمي پيش بعد قبل بين بدون زير روي همه چند سال روز ساعت روغن آب پمپ ماشين "
        "دستگاه فشار شير دفتر هوا كار بررسي باز بسته تغيير كاربر سيستم پرونده فايل خطا چيزي كسي انسان شهر خانه نور "
        "برف رود كودكان بعدي دسترسي طول مقدار بخش تعداد امكان تعمير نگهداري در چهارشنبه جمعه تعويض هزار پنج برق "
        "قطع كاركنان گزارش وجود نيست اگر چون ولي گروه ديگر بزرگ كوچك چگونه ژاپن چاپ پيام گزينه نام رمز",
    ),
)

_THAI_WORDS = (
    "การ ความ และ ที่ เป็น ของ ใน ไม่ ได้ ให้ จาก นี้ มี จะ ว่า กับ แล้ว โดย ต้อง ก่อน หลัง ทุก เมื่อ "
    "หรือ ถ้า อยู่ คน วัน ปี ชั่วโมง เครื่อง น้ำ ทำ งาน ใช้ เปิด ปิด ตรวจ เปลี่ยน ระบบ ไฟล์ ห้อง ประตู "
    "อากาศ ร้อน เย็น ฝน ใหม่ มาก น้อย กว่า ถึง ตาม เพื่อ ผู้ ไฟฟ้า รักษา บำรุง สำนักงาน พนักงาน ข้อมูล "
    "รายงาน ระยะ เวลา น้ำมัน แรง ดัน สามารถ กำหนด "
)
THAI = tuple(_THAI_WORDS.split())
"""Thai words; Thai writes without blanks, so they are counted where they stand."""

SIMPLIFIED = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学"
    "如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将"
    "两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及"
    "比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统"
    "区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共"
    "确传师观清今切院让识候带导争运笔元台精站单双持号护环节查转备注份室料股器油温低请修编细装操维项压换换急存输示息键显图版网码线选项例户"
    "复增格停启调用试测量源按断开关检验证签字绝缘录负责审批准员企业客户服务合格标型材零件价费账款购销售订货库仓质证班组值周每天早晚午夜雨"
    "风雪云晴阴冷热湿阀泵轴润滑电缆灯钥匙楼层办公会议报销流程申请表格打印机纸张扫描仪软硬盘文档附录章节步骤方法警危险火消防急救药品箱参照"
    "依据附近左右侧面板螺丝旋钮拧紧松动漏损坏故障排除清洁洗擦干燥储藏搬走吊起架桥车辆驾驶速距离厚宽厘米毫克吨升秒钟点半小刻旧坏补充足够仍"
)
"""Simplified Chinese: the characters that make up four fifths of ordinary and technical text."""

_TO_TRADITIONAL = str.maketrans(
    "这个们来为国说时会对过发后里种经么学现当没动还进样开实军无与长机义关点业将两间问并应战头体见产话给内门儿东声论处几认条气题尔别变总电数"
    "报结务场计资许统区队决马书听却则达难权设类边张规万术领确传师观带导争运笔单双号护环节转备项压换请编细装维输键显图网码线选复调试测断检"
    "验证签绝缘录负责审员企户标费账购销订货库仓质组周风云阴热湿阀轴润滑缆灯钥楼层办议报销纸张扫软盘档骤警险药据侧丝钮拧紧松损坏障洁储吊"
    "车辆驾驶钟旧补够",
    "這個們來爲國說時會對過發後裏種經麼學現當沒動還進樣開實軍無與長機義關點業將兩間問並應戰頭體見產話給內門兒東聲論處幾認條氣題爾別變總電數"
    "報結務場計資許統區隊決馬書聽卻則達難權設類邊張規萬術領確傳師觀帶導爭運筆單雙號護環節轉備項壓換請編細裝維輸鍵顯圖網碼線選復調試測斷檢"
    "驗證簽絕緣錄負責審員企戶標費賬購銷訂貨庫倉質組週風雲陰熱濕閥軸潤滑纜燈鑰樓層辦議報銷紙張掃軟盤檔驟警險藥據側絲鈕擰緊鬆損壞障潔儲吊"
    "車輛駕駛鐘舊補夠",
)
TRADITIONAL = frozenset("".join(SIMPLIFIED).translate(_TO_TRADITIONAL)) | frozenset("為裡臺衝複製錶繫範圍團歲檯著麼")
"""Traditional Chinese: the same characters in their older forms."""

KANJI = frozenset(
    "日一国人年大十二本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語土木聞食車何"
    "南万毎白天母火右読友左休父雨会同事自社発者地業方新場員立開手力問代明動京目通言理体田主題意不作用度強公持野以思家世多正安院心界教文元"
    "重近考画海売知道集別物使品計死特私始朝運終台広住無真有口少町料工建空急止送切転研足究楽起着店病質待試族銀早映親験英医仕去味写字答夜音"
    "注帰古歌買悪図週室歩風紙黒花春赤青館屋色走秋夏習駅洋旅服夕借曜飲肉貸堂鳥飯勉冬昼茶弟牛魚兄犬妹姉漢装置設調整保守説必取扱書確認点検作"
    "業修理部品交換電源切断安全温度圧力油水弁機械操作記録変更報告表示入力出力印刷管理番号状態異常原因対応製造値数量定期周油量清掃方法手順接"
    "続線端子回路給排水位制御予防事務所受付申請承認承署名絶縁着用手袋簿五千周期前必回転軸振動冷却加熱湿気"
)
"""Japanese: frequent kanji. Text is told by its kana; this is for what has none."""

HANGUL = frozenset(
    "이다는의에을가고하를로지기한은도사서어자있리나시정인대해그일수아보라스부장들제것만전게면과주상여구소원비우우트조안세모성동마개신드문무진"
    "으연니관와물거할경적위공계미용발방생말학행때된했회분내화되지요중실국않없였었했는선러습당재치야반영유까오음입저알출같식요속각추함란불근명"
    "로바양민단며그직심건현타체두최업합력강복금차파작교통날결박손집년월후운질품호설예점검토록달목열간남북표외요량람번름온데려던엇렇많터네께"
    "씀십오천년펌프유지주기압밸브온도높낮다음버튼누르세요확인취소저장파일열닫변경사용자설정암호잘못실패성공완료시작끝종료날짜시간사무실직원회의"
    "보고서눈비바람기온맑흐림춥덥기계엔진윤활청소교체절연장갑착용기록부서명차단전압류신호등켜꺼끄닫열쇠출입구층복도책상의자프린터종이복사컴퓨터"
    "아침저녁매오늘내일어제주말월화수목금토반드시먼저안전위험주의방법절차설치유형번호개수길이무게크빠르느새큰작은좋나쁜예제표그림왼른쪽위래앞뒤"
)
"""Korean: frequent syllables."""
