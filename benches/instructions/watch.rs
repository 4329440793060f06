//! Who watches while the workloads run: the features that are to cost nothing for a message.

use actix::Addr;
use actix_supervisor::Supervisor;

use crate::work::Work;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Watch {
    Nobody,
    /// A subscriber of `tracing`, which keeps spans and writes events to nowhere.
    #[cfg(feature = "tracing")]
    Tracing,
    /// A recorder of `metrics`.
    #[cfg(feature = "metrics")]
    Metrics,
    /// A page is mounted, and so the events of the whole tree are kept.
    #[cfg(feature = "web")]
    Web,
}

impl Watch {
    pub(crate) const ALL: &[Self] = &[
        Self::Nobody,
        #[cfg(feature = "tracing")]
        Self::Tracing,
        #[cfg(feature = "metrics")]
        Self::Metrics,
        #[cfg(feature = "web")]
        Self::Web,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            #[cfg(feature = "tracing")]
            Self::Tracing => "tracing",
            #[cfg(feature = "metrics")]
            Self::Metrics => "metrics",
            #[cfg(feature = "web")]
            Self::Web => "web",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|watch| watch.name() == name)
    }

    /// The highest ratio that passes, to the same work with nobody who watches: it costs nothing, but the heap is another one.
    pub(crate) fn bound(self, work: Work) -> f64 {
        match work {
            // A span is entered at each wake-up, here for each message. A tenth above what was measured.
            Work::Request if self.name() == "tracing" => 1.19,
            // The clock decides there how often others have their turn.
            Work::MessageElsewhere => 1.05,
            _ => 1.01,
        }
    }

    /// Before the first supervisor is made.
    pub(crate) fn begin(self) {
        match self {
            Self::Nobody => {}
            #[cfg(feature = "tracing")]
            Self::Tracing => tracing_subscriber::fmt().with_writer(std::io::sink).init(),
            #[cfg(feature = "metrics")]
            Self::Metrics => {
                let recorder = metrics_util::debugging::DebuggingRecorder::new();
                recorder.install().expect("no other recorder");
            }
            #[cfg(feature = "web")]
            Self::Web => {}
        }
    }

    /// Before the work begins.
    pub(crate) fn look_at(self, root: Addr<Supervisor>) {
        match self {
            #[cfg(feature = "web")]
            Self::Web => drop(actix_supervisor::web::scope(root)),
            _ => drop(root),
        }
    }
}
