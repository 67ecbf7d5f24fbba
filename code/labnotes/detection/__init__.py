"""Boxes round objects: how much they overlap, which to keep, and what lies inside them."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "anchors": [
        "AnchorTargets", "anchor_targets", "anchors", "assign_anchors", "decode_boxes",
        "detections", "encode_boxes",
    ],
    "boxes": ["box_area", "box_convert", "box_iou", "generalized_box_iou"],
    "ssd": [
        "SSDOutputs", "TinySSD", "focal_loss", "hard_negatives", "multibox_loss", "small_stages",
        "squeezenet_stages",
    ],
    "rcnn": ["TinyFasterRCNN", "cut_masks", "paste_masks", "proposal_targets"],
    "suppression": ["batched_nms", "nms", "soft_nms"],
    "regions": ["roi_align", "roi_pool"],
    "yolo": [
        "FreeYOLO", "TinyYOLO", "decode_free", "decode_grid", "encode_box", "responsible",
        "task_aligned",
    ],
})  # fmt: skip
