"""The skills that ResuMatch knows, their synonyms and what they imply."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill: its name, other words for it, and the skills that whoever has it has too."""

    name: str
    synonyms: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    # "Go" and "R" are skills only in this very spelling.
    is_case_sensitive: bool = False


# One a line: name | synonyms | implied skills. A leading "=" makes the spelling matter.
_TABLE = """
Python | Python 3, CPython |
Django | Django REST Framework, DRF | Python
FastAPI | Fast API | Python
Flask | | Python
Celery | | Python
SQLAlchemy | SQL Alchemy | Python, SQL
pandas | | Python
NumPy | | Python
scikit-learn | sklearn, scikit learn | Python, Machine learning
PyTorch | Torch | Python, Deep learning
TensorFlow | Keras | Deep learning
pytest | | Python, Automated testing
JavaScript | ECMAScript, ES6 |
TypeScript | | JavaScript
React | React.js, ReactJS | JavaScript
Next.js | NextJS | React
Vue | Vue.js, VueJS, Nuxt | JavaScript
Angular | AngularJS | TypeScript
Svelte | SvelteKit | JavaScript
Node.js | NodeJS, Express.js, NestJS | JavaScript
HTML | HTML5 |
CSS | CSS3, Sass, SCSS, Tailwind, Tailwind CSS |
Accessibility | a11y, WCAG |
Java | Java EE, Jakarta EE, J2EE |
Spring | Spring Boot, SpringBoot | Java
Kotlin | |
Scala | |
=Go | Golang |
=Rust | |
C++ | cpp |
C# | C sharp, csharp |
.NET | dotnet, ASP.NET, .NET Core | C#
=C | |
=R | RStudio, tidyverse |
Ruby | |
Ruby on Rails | Rails, RoR | Ruby
PHP | |
Laravel | Symfony | PHP
=Swift | SwiftUI |
iOS development | iOS, UIKit |
Android development | Android |
Flutter | |
Elixir | |
Perl | |
Shell scripting | Bash, shell scripts, shell script |
PowerShell | |
SQL | |
PostgreSQL | Postgres, psql | SQL, Relational databases
MySQL | MariaDB | SQL, Relational databases
SQL Server | MSSQL, T-SQL | SQL, Relational databases
Oracle Database | Oracle DB, PL/SQL | SQL, Relational databases
SQLite | | SQL
Relational databases | RDBMS, relational database |
MongoDB | Mongo | NoSQL
DynamoDB | | NoSQL
Cassandra | | NoSQL
NoSQL | document database, document databases |
Redis | Valkey |
Elasticsearch | Elastic Search, OpenSearch |
Kafka | Apache Kafka | Message queues
RabbitMQ | Rabbit MQ | Message queues
Message queues | message queue, message broker, message brokers, event streaming |
Data modelling | data modeling, database design, schema design |
ETL | ELT, data pipelines, data pipeline |
Spark | Apache Spark, PySpark |
Airflow | Apache Airflow |
dbt | |
Snowflake | |
BigQuery | Big Query | SQL
Data warehousing | data warehouse, data warehouses |
Tableau | |
Power BI | PowerBI |
Excel | Microsoft Excel, spreadsheets |
Machine learning | ML |
Deep learning | neural networks, neural network | Machine learning
Natural language processing | NLP |
Large language models | LLM, LLMs, generative AI, GenAI |
Computer vision | OpenCV |
Statistics | statistical analysis, statistical modelling, statistical modeling |
A/B testing | AB testing, split testing, experimentation |
Data analysis | data analytics, analysing data, analyzing data |
Data visualisation | data visualization |
AWS | Amazon Web Services, EC2, S3, AWS Lambda |
Azure | Microsoft Azure |
Google Cloud | GCP, Google Cloud Platform |
Docker | containers, containerisation, containerization |
Kubernetes | k8s, EKS, GKE, AKS | Docker
Helm | | Kubernetes
Terraform | OpenTofu | Infrastructure as code
Ansible | | Infrastructure as code
Infrastructure as code | IaC, Pulumi, CloudFormation |
CI/CD | continuous integration, continuous delivery, continuous deployment, CI |
GitHub Actions | | CI/CD
GitLab CI | | CI/CD
Jenkins | | CI/CD
Git | GitHub, GitLab |
Linux | Unix, Ubuntu, Debian |
Nginx | |
Prometheus | | Monitoring
Grafana | | Monitoring
Sentry | | Monitoring
OpenTelemetry | OTel | Monitoring
Monitoring | observability, alerting |
Incident response | on-call, on call, incident management |
Site reliability | SRE, site reliability engineering |
Networking | TCP/IP |
REST APIs | REST API, RESTful, RESTful APIs, REST services, web APIs |
GraphQL | |
gRPC | |
Microservices | microservice, service-oriented architecture |
Software architecture | system design, systems design |
Event-driven architecture | event driven, event-driven, CQRS |
Automated testing | unit testing, unit tests, integration tests, test automation, TDD |
Selenium | | Automated testing
Cypress | | Automated testing
Playwright | | Automated testing
Security | application security, OWASP, information security, cybersecurity |
Penetration testing | pentesting, pen testing | Security
OAuth | OAuth2, OAuth 2.0, OpenID Connect, OIDC |
Performance optimisation | performance optimization, performance tuning, profiling |
Code review | code reviews, reviewing code |
Agile | agile methods, agile development |
Scrum | scrum master | Agile
Kanban | | Agile
Jira | |
Product management | product owner, product ownership |
Project management | project manager, managing projects, PMP, PRINCE2 |
Roadmapping | product roadmap, roadmap, roadmaps |
Stakeholder management | stakeholders, stakeholder communication |
Requirements analysis | requirements engineering, business analysis |
User research | usability testing, user interviews |
UX design | user experience, UX |
UI design | user interface design, visual design |
Figma | | UI design
Leadership | team lead, led a team, leading a team, tech lead, people management |
Mentoring | mentored, mentor, coaching, coached |
Communication | communication skills, presenting, presentations |
Technical writing | technical documentation, writing documentation |
Customer support | customer service, technical support, helpdesk |
Salesforce | |
CRM | customer relationship management, HubSpot |
SEO | search engine optimisation, search engine optimization |
Marketing | digital marketing, content marketing |
Sales | account management, business development |
Accounting | bookkeeping |
Financial modelling | financial modeling, financial analysis |
SAP | SAP ERP |
Recruiting | recruitment, talent acquisition |
English | fluent English |
German | Deutsch |
French | français |
Spanish | español |
"""


@cache
def all_skills() -> dict[str, Skill]:
    """The table, by name."""
    return {skill.name: skill for skill in _read_table()}


def _read_table() -> Iterator[Skill]:
    for line in _TABLE.strip().splitlines():
        name, synonyms, implies = (part.strip() for part in line.split("|"))
        yield Skill(
            name=name.removeprefix("="),
            synonyms=_listed(synonyms),
            implies=_listed(implies),
            is_case_sensitive=name.startswith("="),
        )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@cache
def implied_by(name: str) -> frozenset[str]:
    """Every skill that `name` implies, directly or through another."""
    found: set[str] = set()
    waiting = list(all_skills()[name].implies)
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += all_skills()[each].implies
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Finds skills in a sentence: whole words only, the longest first."""

    any_case: re.Pattern[str]
    exact: re.Pattern[str]
    names: dict[str, str]

    def find(self, sentence: str) -> dict[str, str]:
        """Return the skills of `sentence`, each with the words that name it."""
        found: dict[str, str] = {}
        end = 0
        for match in self.any_case.finditer(sentence):
            found.setdefault(self.names[_fold(match[0])], match[0])
            self._find_exact(sentence, end, match.start(), found)
            end = match.end()
        self._find_exact(sentence, end, len(sentence), found)
        return found

    def _find_exact(self, sentence: str, start: int, end: int, found: dict[str, str]) -> None:
        """Look between the other words: the C of "C sharp" is none."""
        for match in self.exact.finditer(sentence, start, end):
            found.setdefault(self.names[match[0]], match[0])


@cache
def vocabulary() -> Vocabulary:
    """The table, compiled once."""
    names: dict[str, str] = {}
    any_case: list[str] = []
    exact: list[str] = []
    for skill in all_skills().values():
        if skill.is_case_sensitive:
            exact.append(skill.name)
            names[skill.name] = skill.name
        words = skill.synonyms if skill.is_case_sensitive else (skill.name, *skill.synonyms)
        any_case += words
        names.update({_fold(word): skill.name for word in words})
    return Vocabulary(_whole_words(any_case, re.IGNORECASE), _whole_words(exact), names)


def _whole_words(words: list[str], flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    # "\b" does not do: "C++", "C#", ".NET" and "Node.js" begin or end with signs. A dot may
    # follow only where a sentence ends, so that "Node" is not found in "Node.js"; "R&D" is no R.
    alternatives = "|".join(
        re.escape(word).replace(r"\ ", r"[\s-]+") for word in sorted(words, key=len, reverse=True)
    )
    return re.compile(rf"(?<![\w+#.&-])(?:{alternatives})(?![\w+#&])(?!\.\w)(?!-\w)", flags)


def _fold(word: str) -> str:
    return re.sub(r"[\s-]+", " ", word).casefold()
