using System.Diagnostics;
using System.Security.Cryptography;
using Tessera.Checkpoints;
using Tessera.Testing;

namespace Tessera.Tests.Checkpoints;

/// <summary>A test that needs PyTorch of the system's Python.</summary>
sealed class PythonTorchFactAttribute : FactAttribute
{
    public PythonTorchFactAttribute()
    {
        if (!File.Exists("/usr/bin/python3") || !Directory.Exists("/usr/lib/python3/dist-packages/torch"))
            Skip = "PyTorch of /usr/bin/python3 is not installed (Debian: python3-torch, python3-numpy)";
    }
}

public class PythonTests
{
    const string Describe = """
        import sys, hashlib, torch
        for k, v in torch.load(sys.argv[1], weights_only=True).items():
            v = v.contiguous()
            raw = v.view(torch.int16) if v.dtype == torch.bfloat16 else v
            print(k, str(v.dtype)[6:], list(v.shape), hashlib.sha256(raw.numpy().tobytes()).hexdigest())
        """;

    [PythonTorchFact]
    public void PyTorch_reads_what_is_written_here_with_weights_only()
    {
        using var folder = new TempFolder();
        var path = folder["written here.pth"];
        var random = new Random(1);
        DType[] types =
        [
            DType.Float32,
            DType.Float64,
            DType.Float16,
            DType.BFloat16,
            DType.Int64,
            DType.Int32,
            DType.Int16,
            DType.Int8,
            DType.UInt8,
        ];
        var weights = new OrderedDictionary<string, CheckpointTensor>();
        foreach (var (i, type) in types.Index())
        {
            var bytes = new byte[6 * type.Size()];
            random.NextBytes(bytes);
            weights.Add($"block.{i}.größe", CheckpointTensor.FromBytes(type, bytes, 2, 1, 3));
        }
        weights.Add("mask", CheckpointTensor.Create<bool>([true, false], 2));
        weights.Add("scalar", CheckpointTensor.Create<long>([1L << 40]));
        weights.Add("empty", CheckpointTensor.Create<float>([], 0, 4));
        Checkpoint.SaveTorch(path, weights);

        var expected = weights.Select(w =>
            $"{w.Key} {w.Value.DType.Name()} [{string.Join(", ", w.Value.Shape.ToArray())}] "
            + Convert.ToHexStringLower(SHA256.HashData(w.Value.ToContiguousBytes()))
        );
        Assert.Equal(expected, Python(Describe, path));
    }

    [PythonTorchFact]
    public void Tied_tensors_stay_tied_in_PyTorch()
    {
        using var folder = new TempFolder();
        var path = folder["tied.pth"];
        var tensor = CheckpointTensor.Create<float>([1, 2], 2);
        Checkpoint.SaveTorch(path, [new("a", tensor), new("b", tensor), new("c", CheckpointTensor.Create<float>([1, 2], 2))]);
        var lines = Python(
            """
            import sys, torch
            d = torch.load(sys.argv[1], weights_only=True)
            print(type(d).__name__, d['a'].data_ptr() == d['b'].data_ptr(), d['a'].data_ptr() == d['c'].data_ptr())
            """,
            path
        );
        Assert.Equal(["OrderedDict True False"], lines);
    }

    [PythonTorchFact]
    public void What_Python_writes_is_read_here()
    {
        using var folder = new TempFolder();
        Python(
            """
            import sys, torch, numpy as np, collections
            w = torch.arange(12.).view(3, 4)
            class Net(torch.nn.Linear): pass
            d = {'model': collections.OrderedDict(a=w.t(), b=torch.nn.Parameter(w[1:, :2]), c=torch.tensor(3, dtype=torch.int16)),
                 'acc': np.float32(0.5), 'arr': np.arange(6, dtype=np.int32).reshape(2, 3), 'set': {1, 2},
                 'dtype': torch.float16, 'size': w.shape,
                 'device': torch.device('cpu'), 'slice': slice(1, 2), 'bytes': b'xyz', 'complex': 1j, 'rng': torch.get_rng_state()}
            base = sys.argv[1] + '/'
            torch.save(d, base + 'new.pth')
            torch.save(d, base + 'protocol4.pth', pickle_protocol=4)
            torch.save(d, base + 'old.pth', _use_new_zipfile_serialization=False)
            torch.save(Net(2, 2), base + 'module.pth')
            torch.save(Net(2, 2), base + 'oldmodule.pth', _use_new_zipfile_serialization=False)
            arrays = {'a/b': np.arange(6, dtype=np.float32).reshape(2, 3), 'f': np.asfortranarray(np.arange(6.).reshape(2, 3)),
                      's': np.int64(3)}
            np.savez(base + 'plain.npz', **arrays)
            np.savez_compressed(base + 'packed.npz', **arrays)
            """,
            folder[""]
        );

        foreach (var name in new[] { "new.pth", "protocol4.pth", "old.pth" })
        {
            using var checkpoint = Checkpoint.Open(folder[name], new CheckpointOptions(Strict: true));
            var weights = checkpoint.StateDict();
            Assert.Equal([0f, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11], weights["a"].ToArray<float>());
            Assert.Equal([4f, 5, 8, 9], weights["b"].ToArray<float>());
            Assert.Same(weights["a"].Storage, weights["b"].Storage);
            Assert.Equal([(short)3], weights["c"].ToArray<short>());
            var root = (CheckpointDictionary)checkpoint.Root!;
            Assert.Equal(0.5, root["acc"]);
            Assert.Equal([0, 1, 2, 3, 4, 5], ((CheckpointTensor)root["arr"]!).ToArray<int>());
            Assert.Equal([1L, 2L], (List<object?>)root["set"]!);
            Assert.Equal(new GlobalReference("torch", "float16"), root["dtype"]);
            Assert.Equal([3L, 4L], (CheckpointTuple)root["size"]!);
            Assert.Equal("xyz"u8.ToArray(), root["bytes"]);
            Assert.Equal(System.Numerics.Complex.ImaginaryOne, root["complex"]);
        }
        foreach (var name in new[] { "module.pth", "oldmodule.pth" })
            Assert.Contains(
                "Net",
                Assert.Throws<UnsupportedCheckpointException>(() => Checkpoint.Open(folder[name])).Message,
                StringComparison.Ordinal
            );
        foreach (var name in new[] { "plain.npz", "packed.npz" })
        {
            using var checkpoint = Checkpoint.Open(folder[name]);
            var weights = checkpoint.StateDict();
            Assert.Equal([0f, 1, 2, 3, 4, 5], weights["a/b"].ToArray<float>());
            Assert.Equal([0d, 1, 2, 3, 4, 5], weights["f"].ToArray<double>());
            Assert.Equal([1, 2], weights["f"].Strides.ToArray());
            Assert.Equal([3L], weights["s"].ToArray<long>());
        }
    }

    static string[] Python(string program, string argument)
    {
        var start = new ProcessStartInfo("/usr/bin/python3", ["-W", "ignore", "-c", program, argument])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PYTHONIOENCODING"] = "utf-8";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
