"""Facts about the metrics of segmentation and detection."""

from gazekit.metrics.info.entry import MetricInfo

__all__ = ["ENTRIES"]

_DICE = "Dice 1945, Ecology"
_JACCARD = "Jaccard 1912, New Phytologist"
_SIZE = "grows with the size of the masks: score a mask of that size at random places"
_EMPTY = "two empty masks count 0, or are left out"
_NEVER = "never; with empty='nan': two empty masks"
_ABSENT = "a class in neither map"
_POOLED = "of all pixels of all images pooled"

ENTRIES: tuple[MetricInfo, ...] = (
    MetricInfo("dice", "Dice", (0.0, 1.0), True, _SIZE, _NEVER, _DICE, variants=(_EMPTY, _POOLED)),
    MetricInfo("iou", "IoU", (0.0, 1.0), True, _SIZE, _NEVER, _JACCARD, variants=(_EMPTY, _POOLED)),
    MetricInfo(
        "class_dice", "ClassDice", (0.0, 1.0), True, _SIZE, _ABSENT, _DICE, variants=(_EMPTY, _POOLED)
    ),
    MetricInfo(
        "class_iou", "ClassIoU", (0.0, 1.0), True, _SIZE, _ABSENT, _JACCARD, variants=(_EMPTY, _POOLED)
    ),
    MetricInfo(
        name="macro_dice",
        class_name="MacroDice",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance=_SIZE,
        undefined="maps without pixels",
        reference=_DICE,
        variants=("over all classes, present or not", "without the background's class", _POOLED),
    ),
    MetricInfo(
        name="macro_iou",
        class_name="MacroIoU",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance=_SIZE,
        undefined="maps without pixels",
        reference=_JACCARD,
        variants=("over all classes, present or not", "without the background's class", _POOLED),
    ),
    MetricInfo(
        name="detection_ap",
        class_name="DetectionAP",
        range=(0.0, 1.0),
        higher_is_better=True,
        chance="near 0",
        undefined="no true box (of that size)",
        reference="Lin et al. 2014, ECCV (COCO)",
        variants=(
            "one threshold of overlap, 11 levels of recall or all (PASCAL VOC)",
            "more than 100 detections per image and class",
            "area of the box instead of the object's mask, which moves APs, APm and APl",
        ),
    ),
)
