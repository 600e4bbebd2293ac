namespace Tessera.Models;

/// <summary>A head that recipes may name.</summary>
/// <param name="Name">As recipes write it: small letters, digits and underscores.</param>
/// <param name="Type">A record that derives from <see cref="HeadOptions"/>; the parameters of its constructor are the fields.</param>
/// <param name="Paper">Title, year and arXiv id; empty for none.</param>
public sealed record HeadKind(string Name, Type Type, string Paper = "") : ModelPartKind(Name, Type, Paper);

/// <summary>All heads by the name that recipes use: the published ones, and those that a program adds.</summary>
public static class Heads
{
    private static readonly ModelPartKinds<HeadKind> kinds = new(
        "head",
        typeof(HeadOptions),
        [
            new("cascade_mask_rcnn", typeof(CascadeMaskRcnnOptions), "Cascade R-CNN, 2019, arXiv:1906.09756"),
            new("cascade_rcnn", typeof(CascadeRcnnOptions), "Cascade R-CNN, 2018, arXiv:1712.00726"),
            new("faster_rcnn", typeof(FasterRcnnOptions), "Faster R-CNN, 2015, arXiv:1506.01497"),
            new("mask_rcnn", typeof(MaskRcnnOptions), "Mask R-CNN, 2017, arXiv:1703.06870"),
            new("retinanet", typeof(RetinaNetOptions), "Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002"),
            new("segformer", typeof(SegFormerOptions), "SegFormer, 2021, arXiv:2105.15203"),
            new("semantic_fpn", typeof(SemanticFpnOptions), "Panoptic Feature Pyramid Networks, 2019, arXiv:1901.02446"),
            new("upernet", typeof(UPerNetOptions), "Unified Perceptual Parsing for Scene Understanding, 2018, arXiv:1807.10221"),
            new("vt_fpn", typeof(VtFpnOptions), "Visual Transformers, 2020, arXiv:2006.03677"),
        ]
    );

    /// <summary>The published ones; after them, in their order, those that were added.</summary>
    public static IReadOnlyList<HeadKind> All => kinds.All;

    /// <summary>The name by which recipes choose a head; that of its type where it was not added.</summary>
    public static string NameOf(HeadOptions head) => kinds.NameOf(head);

    /// <summary>Adds a head of your own: from then on, recipes and bundles know it by its name.</summary>
    /// <exception cref="ArgumentException">
    /// The name is taken, by a head, a generator, an architecture or a model of the registry, or has other characters; or
    /// the type is no record of options.
    /// </exception>
    public static void Add(HeadKind kind) =>
        kinds.Add(
            kind,
            ("a model of the registry", Registry.All.Any(variant => variant.Name == kind.Name)),
            ("a generator", Generators.All.Any(generator => generator.Name == kind.Name)),
            ("an architecture", Architectures.All.Any(architecture => architecture.Name == kind.Name))
        );
}
