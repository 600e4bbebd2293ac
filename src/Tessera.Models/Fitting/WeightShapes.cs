using Tessera.Checkpoints;

namespace Tessera.Models.Fitting;

/// <summary>Names and shapes of weights, without their values: what decides whether they fit a model.</summary>
public sealed class WeightShapes
{
    private readonly string path;
    private readonly IReadOnlyList<KeyValuePair<string, Shape>> given;
    private readonly IReadOnlyList<KeyValuePair<string, Shape>> brought;
    private readonly bool fromNumpy;

    private WeightShapes(string path, IReadOnlyList<KeyValuePair<string, Shape>> given, bool fromNumpy)
    {
        (this.path, this.given, this.fromNumpy) = (path, given, fromNumpy);
        using var scope = new Scope();
        var state = Tensors(given);
        try
        {
            Note = HuggingFaceNames.Convert(state);
        }
        catch (TorchException)
        {
            // Maps that should be joined do not go together: whatever has such names, it is not that library's model.
        }
        brought = Note is null ? given : [.. state.Select(entry => KeyValuePair.Create(entry.Key, entry.Value.Shape))];
    }

    /// <summary>The weights that were found in a file, but for tensors that cannot be read.</summary>
    /// <param name="file">The file.</param>
    /// <param name="found">What was found in it.</param>
    public static WeightShapes Of(Checkpoint file, FoundStateDict found) =>
        new(
            file.Path,
            [
                .. found
                    .Tensors.Where(entry => entry.Value.Refusal is null)
                    .Select(entry => KeyValuePair.Create(entry.Key, new Shape(entry.Value.Shape))),
            ],
            file.Format == CheckpointFormat.NumpyArchive
        );

    /// <summary>The weights of a model.</summary>
    /// <param name="model">The model.</param>
    public static WeightShapes Of(Module model) =>
        new("(in memory)", [.. model.StateDict().Select(entry => KeyValuePair.Create(entry.Key, entry.Value.Shape))], false);

    /// <summary>
    /// A sentence where the names are those of another library and were brought to the authors'; null where they are not.
    /// </summary>
    public string? Note { get; }

    /// <summary>Number of tensors.</summary>
    public int Count => given.Count;

    /// <summary>Tensors without memory under a model's names, as far as the names can be brought to it; they belong to the scope.</summary>
    internal OrderedDictionary<string, Tensor> For(Model model, IReadOnlySet<string> names)
    {
        if (fromNumpy && model is Vit vit)
        {
            try
            {
                return VitNumpy.Convert(path, given, OnMeta, vit);
            }
            catch (Exception error) when (error is CheckpointException or TorchException)
            {
                // An array that this model needs is missing, or of another kind: all names differ.
            }
        }
        var state = Tensors(brought);
        PretextNames.Convert(names, model.ClassifierNames, state);
        StatePrefix.TakeAway(names, state);
        return state;
    }

    private static OrderedDictionary<string, Tensor> Tensors(IEnumerable<KeyValuePair<string, Shape>> shapes) =>
        new(shapes.Select(entry => KeyValuePair.Create(entry.Key, OnMeta(entry.Value))));

    private static Tensor OnMeta(Shape shape) => Torch.Empty(shape, DType.Float32, device: new Device(DeviceType.Meta));
}
