using Tessera.Checkpoints;

namespace Tessera.Models;

public abstract partial class Model
{
    /// <summary>
    /// Loads weights from a file of any kind that <see cref="Checkpoint"/> reads, or from a folder of the Hugging Face hub. Nothing is
    /// loaded partially: every difference that the options do not allow is an error. Names of transformers are brought to the model's, a
    /// prefix that all names have in common is taken away, and a segmenter reads files of mmsegmentation and of the authors too.
    /// </summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="options">What is looked for, and which differences are allowed.</param>
    /// <param name="stop">Ends the reading; the model is then as it was before.</param>
    /// <returns>What was done beside copying.</returns>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    /// <exception cref="StateDictException">Names or shapes do not fit.</exception>
    public PretrainedReport Load(string path, PretrainedOptions? options = null, CancellationToken stop = default) =>
        Pretrained.Load(this, path, options ?? new(), stop);

    /// <summary>Loads weights that are in memory already, as <see cref="Load(string, PretrainedOptions?, CancellationToken)"/> does from a file.</summary>
    /// <param name="state">The tensors by name; names and shapes are fitted to the model in place.</param>
    /// <param name="options">Which differences are allowed.</param>
    /// <returns>What was done beside copying.</returns>
    /// <exception cref="StateDictException">Names or shapes do not fit.</exception>
    public PretrainedReport Load(OrderedDictionary<string, Tensor> state, PretrainedOptions? options = null) =>
        Pretrained.Load(this, state, options ?? new());

    /// <summary>
    /// Saves the weights: in safetensors, or in PyTorch's format where the name ends with <c>.pt</c> or <c>.pth</c>. The file is written
    /// beside its place and then renamed, so there is never half of one.
    /// </summary>
    /// <param name="path">The file, which ends with <c>.safetensors</c>, <c>.pt</c> or <c>.pth</c>.</param>
    /// <param name="stop">Ends the writing; the file is then as it was before.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    /// <exception cref="ArgumentException">The name ends with something else.</exception>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
    public void Save(string path, CancellationToken stop = default) => Pretrained.Save(this, path, stop);
}
