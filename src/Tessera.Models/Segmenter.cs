namespace Tessera.Models;

/// <summary>
/// A model that turns images into scores of classes for each position: a backbone of any kind, and a head over its four maps.
/// </summary>
public abstract class Segmenter : PyramidModel
{
    /// <summary>A segmenter over a backbone.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    protected Segmenter(Backbone backbone)
        : base(backbone) { }

    /// <summary>Pixels of the image per position of the scores.</summary>
    public virtual double Stride => MapStrides[0];

    /// <summary>Scores [B, classes, h, w] from what <see cref="PyramidModel.ForwardMaps"/> gives.</summary>
    /// <param name="maps">Four maps.</param>
    /// <param name="image">Height and width of the images.</param>
    public Tensor ForwardHead(IReadOnlyList<Tensor> maps, (long Height, long Width) image) => Torch.Scope(() => Decode(maps, image));

    /// <summary>All outputs for training from what <see cref="PyramidModel.ForwardMaps"/> gives.</summary>
    /// <param name="maps">Four maps.</param>
    /// <param name="image">Height and width of the images.</param>
    public Outputs RunHead(IReadOnlyList<Tensor> maps, (long Height, long Width) image) => Torch.Scope(() => DecodeAll(maps, image));

    /// <summary>The scores and, in training, those of an auxiliary head if there is one.</summary>
    protected override Outputs ForwardOutputs(ModelInput input) =>
        DecodeAll(Maps(input.Inputs), (input.Inputs.Size(2), input.Inputs.Size(3)));

    private Outputs DecodeAll(IReadOnlyList<Tensor> maps, (long Height, long Width) image)
    {
        var outputs = new Outputs(Decode(maps, image));
        return Training && DecodeAuxiliary(maps) is { } auxiliary
            ? outputs with
            {
                Named = new Dictionary<string, Tensor> { [Outputs.Auxiliary] = auxiliary },
            }
            : outputs;
    }

    /// <summary>Scores of the classes, [B, C, H, W] to [B, classes, h, w].</summary>
    protected override Tensor Forward(Tensor input)
    {
        CheckInput(input);
        return Decode(Maps(input), (input.Size(2), input.Size(3)));
    }

    /// <summary>The head.</summary>
    /// <param name="maps">Four maps from fine to coarse.</param>
    /// <param name="image">Height and width of the images.</param>
    protected abstract Tensor Decode(IReadOnlyList<Tensor> maps, (long Height, long Width) image);

    /// <summary>The auxiliary head; null without one.</summary>
    protected virtual Tensor? DecodeAuxiliary(IReadOnlyList<Tensor> maps) => null;
}

/// <summary>Sizes and options of a segmentation head, from which it is built over any backbone.</summary>
public abstract record SegmenterOptions : HeadOptions
{
    /// <inheritdoc/>
    public abstract override Segmenter Create(Backbone backbone, int classes);
}
