using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>One file that a <c>tls</c> section names, as it was read.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Content">All of it.</param>
/// <param name="Mode">Who may read it; of the file itself where the path is a link.</param>
internal sealed record CredentialFile(string Path, byte[] Content, UnixFileMode Mode)
{
    // A chain of a dozen certificates takes 30 KiB, all authorities of a browser take 250.
    private const long Longest = 4 << 20;

    /// <summary>Whether every user of the machine can read it.</summary>
    public bool IsOpenToAll => (Mode & UnixFileMode.OtherRead) != 0;

    /// <summary>Null, with the error noted, where it cannot be read.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="position">Where plugins.json names it.</param>
    /// <param name="findings">Where the error is noted.</param>
    public static CredentialFile? Read(string path, ConfigPosition position, TlsFindings findings)
    {
        try
        {
            // The mode of what was opened: that of a link says nothing, and the file may be another one by now.
            using var handle = File.OpenHandle(path, share: FileShare.ReadWrite | FileShare.Delete);
            var length = RandomAccess.GetLength(handle);
            if (length > Longest)
            {
                findings.Add(position, $"{path} has {length} bytes, and no file of certificates or keys is as long; name another");
                return null;
            }

            using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
            using var content = new MemoryStream();
            stream.CopyTo(content);
            return new CredentialFile(path, content.ToArray(), OperatingSystem.IsWindows() ? UnixFileMode.None : File.GetUnixFileMode(handle));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            findings.Add(position, Explain(path, error));
            return null;
        }
    }

    private static string Explain(string path, Exception error) => error switch
    {
        _ when Directory.Exists(path) => $"{path} is a directory, expected a file",
        FileNotFoundException or DirectoryNotFoundException => $"there is no file {path}; create it, or correct the name",
        UnauthorizedAccessException => $"{path} may not be read by this user ({Environment.UserName}); change its owner, group or mode",
        _ => $"{path} cannot be read: {error.Message}",
    };
}
