namespace Tessera.Checkpoints;

/// <summary>
/// A file of weights, read as data: safetensors, PyTorch's two formats, numpy archives, pickles. The content tells the format. No
/// code in the file is run, and tensors stay in the memory-mapped file until they are copied out, so this object must stay alive and
/// undisposed as long as its tensors are read. Weights that are spread over several files are read through their index.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    readonly IReadOnlyList<IDisposable> files;
    string? note;

    Checkpoint(FileBytes file, CheckpointFormat format, object? root, IReadOnlyDictionary<string, string>? metadata = null)
    {
        files = [file];
        Path = file.Path;
        Format = format;
        Root = root;
        Metadata = metadata ?? new Dictionary<string, string>();
        FileLength = file.Length;
    }

    internal Checkpoint(string path, IReadOnlyList<Checkpoint> parts, CheckpointDictionary root)
    {
        files = parts;
        Path = path;
        Format = parts[0].Format;
        Metadata = parts[0].Metadata;
        Root = root;
        FileLength = parts.Sum(part => part.FileLength);
        ForeignNames = [.. parts.SelectMany(part => part.ForeignNames).Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>The file, or the index of several.</summary>
    public string Path { get; }

    /// <summary>The format of the file.</summary>
    public CheckpointFormat Format { get; }

    /// <summary>Bytes of the file, or of all files of an index.</summary>
    public long FileLength { get; }

    /// <summary>
    /// Classes and functions beyond the allow list that a pickle in the file names, as <c>module.name</c>, in order; of very many the
    /// first 256 that were met. None of them was looked up, imported or called; Python may call them when it loads the file.
    /// </summary>
    public IReadOnlyList<string> ForeignNames { get; private set; } = [];

    /// <summary>The metadata of a safetensors file; empty for others.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>
    /// All that the file holds, as a tree of <see cref="CheckpointDictionary"/>, <see cref="List{T}"/> of objects (sets
    /// too), <see cref="CheckpointTuple"/>, <see cref="CheckpointTensor"/>, <see cref="string"/>, byte arrays,
    /// <see cref="long"/>, <see cref="System.Numerics.BigInteger"/> (beyond 64 bits), <see cref="double"/>,
    /// <see cref="System.Numerics.Complex"/>, <see cref="bool"/>, null, and, for classes and objects of Python,
    /// <see cref="GlobalReference"/> and <see cref="OpaqueRecord"/>. Where a value contains itself, it holds an
    /// <see cref="EnclosingReference"/> there.
    /// </summary>
    public object? Root { get; }

    /// <summary>
    /// Opens a file, the index of a file in parts (<c>*.index.json</c>), or a folder with <c>model.safetensors</c>,
    /// <c>pytorch_model.bin</c> or one of their indices.
    /// </summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="options">Strictness and limits.</param>
    /// <param name="stop">Ends the reading of a large file.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="CorruptCheckpointException">The file is damaged or truncated.</exception>
    /// <exception cref="ForbiddenPickleException">Strict mode, and the file names a class or function beyond the allow list.</exception>
    /// <exception cref="UnsupportedCheckpointException">The format is not supported; the message says what to do.</exception>
    public static Checkpoint Open(string path, CheckpointOptions? options = null, CancellationToken stop = default)
    {
        stop.ThrowIfCancellationRequested();
        options = (options ?? new()) with { Stop = stop };
        var (file, note) = Directory.Exists(path) ? WeightsFolder.Choose(path) : (path, null);
        var checkpoint = ShardIndex.IsIndex(file) ? ShardIndex.Open(file, options) : Read(FileBytes.Map(file), options);
        checkpoint.note = note;
        return checkpoint;
    }

    /// <summary>Reads a checkpoint that lies in memory; the array must not change while it is in use.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <param name="name">Name of the checkpoint in messages.</param>
    /// <param name="options">Strictness and limits.</param>
    /// <exception cref="CheckpointException">As for <see cref="Open"/>.</exception>
    public static Checkpoint Read(byte[] bytes, string name = "(in memory)", CheckpointOptions? options = null) =>
        Read(FileBytes.Wrap(name, bytes), options ?? new());

    /// <summary>Writes safetensors, atomically. The metadata holds "format": "pt" unless the given entries name another.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">The tensors by name.</param>
    /// <param name="metadata">Further entries of the metadata.</param>
    /// <param name="stop">Ends the writing; the file is then as it was before.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    /// <exception cref="UnsupportedElementTypeException">The format has no such element type (complex numbers).</exception>
    /// <exception cref="ArgumentException">Two tensors have the same name.</exception>
    public static void SaveSafetensors(
        string path,
        IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors,
        IEnumerable<KeyValuePair<string, string>>? metadata = null,
        CancellationToken stop = default
    ) => SafetensorsWriter.Write(path, tensors, metadata, stop);

    /// <summary>
    /// Writes a file that PyTorch loads with <c>torch.load(path, weights_only=True)</c>, atomically. Tensors are packed
    /// row-major; tensors that are the same view of the same storage stay tied.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">The tensors by name.</param>
    /// <param name="stop">Ends the writing; the file is then as it was before.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    /// <exception cref="UnsupportedElementTypeException">PyTorch's files have no such element type.</exception>
    /// <exception cref="ArgumentException">Two tensors have the same name.</exception>
    public static void SaveTorch(
        string path,
        IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors,
        CancellationToken stop = default
    ) => TorchZipWriter.Write(path, tensors, stop);

    /// <summary>The weights by name, as <see cref="FindStateDict"/> finds them.</summary>
    /// <param name="options">Which of several, and under which names.</param>
    public OrderedDictionary<string, CheckpointTensor> StateDict(StateDictOptions? options = null) => FindStateDict(options).Tensors;

    /// <summary>
    /// The weights by name, in the file's order, and what was taken where there was a choice. Without a key in the options they are
    /// looked for under the names that are common for weights (<c>state_dict</c>, <c>model_state_dict</c>, <c>model</c>, ...), then
    /// under those for moving averages, then at the top level. Nothing is compared with a model here. A tensor that cannot be read is
    /// among them and says so when it is asked for (<see cref="CheckpointTensor.Refusal"/>). Counters of batch norms, which files from
    /// before PyTorch 0.4.1 lack, are added as 0, as PyTorch does it.
    /// </summary>
    /// <param name="options">Which of several, and under which names.</param>
    /// <exception cref="ForbiddenPickleException">The tensors are inside an object of a class that is not on the allow list.</exception>
    /// <exception cref="UnsupportedCheckpointException">A whole module was saved instead of its weights.</exception>
    /// <exception cref="CheckpointException">
    /// There is no dictionary of tensors, or several with nothing to tell which is meant; the message lists them.
    /// </exception>
    public FoundStateDict FindStateDict(StateDictOptions? options = null)
    {
        var found = new StateDictFinder(Path, Root, options ?? new()).Find();
        return note is null ? found : found with { Notes = [note, .. found.Notes] };
    }

    /// <summary>
    /// What the file holds, part by part: dictionaries of tensors (a model, a moving average, the state of an optimiser), and the values
    /// beside them.
    /// </summary>
    public IReadOnlyList<CheckpointPart> Outline() => CheckpointOutline.Of(Root);

    /// <summary>All tensors of the file, wherever they lie, under their places with dots between keys.</summary>
    public IEnumerable<KeyValuePair<string, CheckpointTensor>> AllTensors() => CheckpointOutline.Tensors(Root);

    /// <summary>Unmaps the files. Do not use spans over its tensors after this; other accesses throw.</summary>
    public void Dispose()
    {
        foreach (var file in files)
            file.Dispose();
    }

    static Checkpoint Read(FileBytes file, CheckpointOptions options)
    {
        try
        {
            var names = new SortedSet<string>(StringComparer.Ordinal);
            var checkpoint = Sniff(file, options with { ForeignNames = names });
            checkpoint.ForeignNames = [.. names];
            return checkpoint;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    static Checkpoint Sniff(FileBytes file, CheckpointOptions options)
    {
        var head = file.Slice(0, (int)Math.Min(file.Length, 512));
        if (head.StartsWith("PK\u0003\u0004"u8) || head.StartsWith("PK\u0005\u0006"u8))
            return ReadZip(file, options);
        if (NumpyFile.Recognises(head))
            return new Checkpoint(file, CheckpointFormat.NumpyArray, NumpyFile.ReadSingle(file));
        if (SafetensorsReader.Recognises(head, file.Length))
        {
            var (root, metadata) = SafetensorsReader.Read(file);
            return new Checkpoint(file, CheckpointFormat.Safetensors, root, metadata);
        }
        if (ForeignFile.Recognise(head) is { } foreign)
            throw new UnsupportedCheckpointException(file.Path, foreign);
        if (head.Length > 2 && head[0] == 0x80 && head[1] is >= 2 and <= 5)
            return ReadPickle(file, options);
        const string expected = "the file must be safetensors, a checkpoint of PyTorch, .npz, .npy or a pickle";
        try
        {
            // Pickles of the protocols 0 and 1 begin with nothing that marks them.
            return ReadPickle(file, options);
        }
        catch (CorruptCheckpointException error)
        {
            throw new CorruptCheckpointException(file.Path, expected, error);
        }
    }

    static Checkpoint ReadZip(FileBytes file, CheckpointOptions options)
    {
        var zip = ZipDirectory.Read(file);
        if (TorchZip.Recognises(zip))
            return new Checkpoint(file, CheckpointFormat.TorchZip, WithoutModule(file, TorchZip.Read(file, zip, options)));
        if (NumpyFile.Recognises(zip))
            return new Checkpoint(file, CheckpointFormat.NumpyArchive, NumpyFile.ReadArchive(file, zip));
        throw new UnsupportedCheckpointException(
            file.Path,
            "the file is a zip archive, but neither PyTorch's (no data.pkl) nor numpy's (not all entries are .npy)"
        );
    }

    static Checkpoint ReadPickle(FileBytes file, CheckpointOptions options)
    {
        var first = PickleMachine.Load(file.From(0), file.Path, options, null, out var length);
        if (TorchLegacy.IsMagic(first))
            return new Checkpoint(file, CheckpointFormat.TorchLegacy, WithoutModule(file, TorchLegacy.Read(file, options, length)));
        if (length != file.Length)
            throw new CorruptCheckpointException(file.Path, $"the pickle ends at byte {length}, but the file has {file.Length}");
        return new Checkpoint(file, CheckpointFormat.Pickle, WithoutModule(file, first));
    }

    static object? WithoutModule(FileBytes file, object? root) =>
        root is OpaqueRecord { IsModule: true } module
            ? throw new UnsupportedCheckpointException(
                file.Path,
                $"the file holds a whole module of class {module.TypeName} instead of its weights; "
                    + "load it in PyTorch and save its state_dict()"
            )
            : root;
}
